#include "json_walk.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace ceph {
namespace {

constexpr std::size_t kDeepest = 16;

/// nlohmann's events, with the path kept beside them.
class Walker : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Walker(JsonListener& listener) : listener_(listener) {}
  [[nodiscard]] const std::string& why() const { return why_; }

  bool null() override { return tell({}); }
  bool boolean(bool) override { return tell({.kind = JsonScalar::Kind::truth, .text = {}}); }
  bool number_integer(number_integer_t) override {
    return tell({.kind = JsonScalar::Kind::other_number, .text = {}});
  }
  bool number_unsigned(number_unsigned_t value) override {
    return tell({.kind = JsonScalar::Kind::natural, .number = value, .text = {}});
  }
  bool number_float(number_float_t, const string_t&) override {
    return tell({.kind = JsonScalar::Kind::other_number, .text = {}});
  }
  bool string(string_t& value) override {
    return tell({.kind = JsonScalar::Kind::text, .text = value});
  }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return begin(false); }
  bool key(string_t& value) override {
    path_.back() = std::move(value);
    return true;
  }
  bool end_object() override { return end(); }
  bool start_array(std::size_t) override { return begin(true); }
  bool end_array() override { return end(); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    why_ = "no whole JSON: it goes wrong at byte " + std::to_string(position);
    return false;
  }

 private:
  // Within an object or list the last part of the path is the key of the value that comes next.
  bool begin(bool list) {
    if (path_.size() >= kDeepest) {
      why_ = "nested deeper than an answer of Ceph's is";
      return false;
    }
    listener_.begin(path_);
    path_.emplace_back(list ? std::string(kElement) : std::string());
    return true;
  }
  bool end() {
    path_.pop_back();
    listener_.end(path_);
    return true;
  }
  bool tell(const JsonScalar& value) {
    listener_.scalar(path_, value);
    return true;
  }

  JsonListener& listener_;
  JsonPath path_;
  std::string why_;
};

}  // namespace

std::optional<Fault> walk_json(std::string_view text, JsonListener& listener) {
  Walker walker(listener);
  if (nlohmann::json::sax_parse(text.begin(), text.end(), &walker)) return std::nullopt;
  return Fault{walker.why().empty() ? "no whole JSON" : walker.why()};
}

bool at(const JsonPath& path, std::initializer_list<std::string_view> keys) {
  return std::equal(path.begin(), path.end(), keys.begin(), keys.end());
}

}  // namespace ceph
