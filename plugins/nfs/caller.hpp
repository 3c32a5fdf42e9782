#pragma once
// How Ganesha is asked. bus.hpp asks a real one; tests have what one has answered.

#include <cstdint>
#include <string>
#include <variant>

#include "value.hpp"

namespace nfs {

/// Why there is no answer.
struct Failure {
  enum Kind {
    absent,   ///< no bus, or nobody on it has the name: a Ganesha may not even be meant to be here
    unknown,  ///< it knows no such object, method or argument
    refused,  ///< the bus does not let us ask
    failed    ///< it did not answer in time, or what came is no answer
  };
  Kind kind = failed;
  std::string why;
};

struct Call {
  const char* object;
  const char* interface;
  const char* method;
  std::variant<std::monostate, std::uint16_t, std::string> argument{};
};

class Caller {
 public:
  Caller() = default;
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;
  virtual ~Caller() = default;
  /// The arguments of the answer.
  [[nodiscard]] virtual std::variant<Values, Failure> call(const Call& call) = 0;
};

}  // namespace nfs
