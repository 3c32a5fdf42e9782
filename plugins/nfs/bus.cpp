#include "bus.hpp"

#include <systemd/sd-bus.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace nfs {
namespace {

struct Unref {
  void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
};
using Message = std::unique_ptr<sd_bus_message, Unref>;

class BusError {
 public:
  BusError() = default;
  BusError(const BusError&) = delete;
  BusError& operator=(const BusError&) = delete;
  ~BusError() { sd_bus_error_free(&error_); }
  sd_bus_error* get() { return &error_; }

 private:
  sd_bus_error error_ = SD_BUS_ERROR_NULL;
};

/// A value of an address, as the D-Bus specification escapes it.
std::string escaped(const std::string& path) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::strchr("-_/.\\*", c) != nullptr;
    if (plain && c != '\0') {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[byte >> 4U];
      out += kHex[byte & 15U];
    }
  }
  return out;
}

std::string words(int error) { return std::strerror(error < 0 ? -error : error); }

/// Reads an answer into values, within bounds.
class Reader {
 public:
  explicit Reader(sd_bus_message* message) : message_(message) {}

  /// All that is left of the container entered last; false when it is damaged or too much.
  bool read(Values& into, unsigned depth = 0) {
    if (depth > kMostDepth) return false;
    for (;;) {
      char type = 0;
      const char* contents = nullptr;
      const int there = sd_bus_message_peek_type(message_, &type, &contents);
      if (there <= 0) return there == 0;
      if (++values_ > kMostValues || !one(type, contents, into, depth)) return false;
    }
  }

 private:
  static constexpr unsigned kMostDepth = 8;
  static constexpr std::size_t kMostValues = 400'000;

  bool one(char type, const char* contents, Values& into, unsigned depth) {
    switch (type) {
      case SD_BUS_TYPE_BOOLEAN:
        return basic<int>(type, into, [](int b) { return Value(b != 0); });
      case SD_BUS_TYPE_BYTE:
        return basic<std::uint8_t>(type, into, whole<std::uint8_t>);
      case SD_BUS_TYPE_UINT16:
        return basic<std::uint16_t>(type, into, whole<std::uint16_t>);
      case SD_BUS_TYPE_UINT32:
        return basic<std::uint32_t>(type, into, whole<std::uint32_t>);
      case SD_BUS_TYPE_UINT64:
        return basic<std::uint64_t>(type, into, whole<std::uint64_t>);
      case SD_BUS_TYPE_DOUBLE:
        return basic<double>(type, into, [](double d) { return Value(d); });
      case SD_BUS_TYPE_STRING:
        return basic<const char*>(type, into, [](const char* s) { return Value(s); });
      case SD_BUS_TYPE_ARRAY:
      case SD_BUS_TYPE_STRUCT:
      case SD_BUS_TYPE_DICT_ENTRY:
      case SD_BUS_TYPE_VARIANT:
        return container(type, contents, into, depth);
      default:
        into.emplace_back();
        return sd_bus_message_skip(message_, nullptr) >= 0;
    }
  }

  template <typename T>
  static Value whole(T n) {
    return Value(std::uint64_t{n});
  }

  template <typename T, typename Make>
  bool basic(char type, Values& into, Make make) {
    T value{};
    if (sd_bus_message_read_basic(message_, type, &value) <= 0) return false;
    into.push_back(make(value));
    return true;
  }

  bool container(char type, const char* contents, Values& into, unsigned depth) {
    if (sd_bus_message_enter_container(message_, type, contents) <= 0) return false;
    Values members;
    if (!read(members, depth + 1) || sd_bus_message_exit_container(message_) < 0) return false;
    into.emplace_back(std::move(members));
    return true;
  }

  sd_bus_message* message_;
  std::size_t values_ = 0;
};

Failure failure_of(const sd_bus_error& error, int result, const std::string& name,
                   const char* method) {
  const auto is = [&](const char* kind) { return sd_bus_error_has_name(&error, kind) > 0; };
  const std::string said = error.message != nullptr ? error.message : words(result);
  if (is(SD_BUS_ERROR_SERVICE_UNKNOWN) || is(SD_BUS_ERROR_NAME_HAS_NO_OWNER)) {
    return {Failure::absent, "nobody on the bus has the name " + name};
  }
  if (is(SD_BUS_ERROR_ACCESS_DENIED)) {
    return {Failure::refused, "the bus does not let this user call " + std::string(method) +
                                  ": its policy must (README, Metering NFS)"};
  }
  if (is(SD_BUS_ERROR_UNKNOWN_METHOD) || is(SD_BUS_ERROR_UNKNOWN_OBJECT) ||
      is(SD_BUS_ERROR_UNKNOWN_INTERFACE) || is(SD_BUS_ERROR_INVALID_ARGS)) {
    return {Failure::unknown, std::string(method) + ": " + said};
  }
  if (is(SD_BUS_ERROR_NO_REPLY) || is(SD_BUS_ERROR_TIMEOUT) || result == -ETIMEDOUT) {
    return {Failure::failed, std::string(method) + ": no answer in time"};
  }
  return {Failure::failed, std::string(method) + ": " + said};
}

}  // namespace

Bus::Bus(std::string socket, std::string name, std::chrono::steady_clock::time_point until)
    : socket_(std::move(socket)), name_(std::move(name)), until_(until) {}

Bus::~Bus() = default;

void Bus::Close::operator()(sd_bus* bus) const { sd_bus_close_unref(bus); }

std::uint64_t Bus::left() const {
  const auto left = until_ - std::chrono::steady_clock::now();
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(left).count();
  return us > 0 ? static_cast<std::uint64_t>(us) : 0;
}

std::optional<Failure> Bus::open() {
  const auto none = [&](Failure::Kind kind, int error) {
    bus_.reset();
    return Failure{kind, "no bus at " + socket_ + ": " + words(error)};
  };
  sd_bus* made = nullptr;
  int result = sd_bus_new(&made);
  if (result < 0) return none(Failure::failed, result);
  bus_.reset(made);
  result = sd_bus_set_address(made, ("unix:path=" + escaped(socket_)).c_str());
  if (result >= 0) result = sd_bus_set_bus_client(made, 1);
  if (result >= 0) result = sd_bus_start(made);
  while (result >= 0) {
    result = sd_bus_is_ready(made);
    if (result != 0) break;
    result = sd_bus_process(made, nullptr);
    if (result != 0) continue;
    const std::uint64_t wait = left();
    if (wait == 0) return none(Failure::failed, ETIMEDOUT);
    result = sd_bus_wait(made, wait);
  }
  if (result < 0) {
    const bool gone = result == -ENOENT || result == -ECONNREFUSED;
    return none(gone ? Failure::absent : Failure::failed, result);
  }
  return {};
}

std::variant<Values, Failure> Bus::call(const Call& call) {
  if (!bus_) {
    if (auto failure = open()) return *std::move(failure);
  }
  sd_bus_message* made = nullptr;
  int result = sd_bus_message_new_method_call(bus_.get(), &made, name_.c_str(), call.object,
                                              call.interface, call.method);
  const Message message(made);
  if (result >= 0) result = sd_bus_message_set_auto_start(made, 0);
  if (const auto* id = std::get_if<std::uint16_t>(&call.argument); id != nullptr && result >= 0) {
    result = sd_bus_message_append_basic(made, SD_BUS_TYPE_UINT16, id);
  }
  if (const auto* text = std::get_if<std::string>(&call.argument); text != nullptr && result >= 0) {
    result = sd_bus_message_append_basic(made, SD_BUS_TYPE_STRING, text->c_str());
  }
  if (result < 0) return Failure{Failure::failed, std::string(call.method) + ": " + words(result)};
  const std::uint64_t wait = left();
  if (wait == 0) return Failure{Failure::failed, "not all is answered in time"};
  BusError error;
  sd_bus_message* got = nullptr;
  result = sd_bus_call(bus_.get(), made, wait, error.get(), &got);
  const Message answer(got);
  if (result < 0) return failure_of(*error.get(), result, name_, call.method);
  Values values;
  if (!Reader(got).read(values)) {
    return Failure{Failure::failed, std::string(call.method) + ": its answer cannot be read"};
  }
  return values;
}

}  // namespace nfs
