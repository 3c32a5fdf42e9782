#pragma once
// A connection to a message bus, for one poll: the next one makes its own, so a bus that was
// started anew is not noticed. Owned by the poll; the host's thread. Everything ends by `until`.

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "caller.hpp"

struct sd_bus;

namespace nfs {

class Bus : public Caller {
 public:
  /// `socket` is the path of the bus's Unix socket, `name` whom to ask.
  Bus(std::string socket, std::string name, std::chrono::steady_clock::time_point until);
  ~Bus() override;
  [[nodiscard]] std::variant<Values, Failure> call(const Call& call) override;

 private:
  struct Close {
    void operator()(sd_bus* bus) const;
  };
  [[nodiscard]] std::optional<Failure> open();
  [[nodiscard]] std::uint64_t left() const;  ///< microseconds

  const std::string socket_, name_;
  const std::chrono::steady_clock::time_point until_;
  std::unique_ptr<sd_bus, Close> bus_;
};

}  // namespace nfs
