#include "rgw_answers.hpp"

#include <array>
#include <map>
#include <tuple>

#include "json_walk.hpp"

namespace ceph {
namespace {

constexpr std::uint64_t kLatestHour = 4'294'967'296;  // in 2106
constexpr std::uint64_t kLargest = 1ULL << 60U;       // beyond it a size is an underflow of Ceph's

/// A field that must be there, once.
template <typename T>
class Field {
 public:
  void set(T value) { value_ = std::move(value); }
  [[nodiscard]] bool there() const { return value_.has_value(); }
  T take() {
    T out = std::move(*value_);
    value_.reset();
    return out;
  }
  void clear() { value_.reset(); }

 private:
  std::optional<T> value_;
};

class Listener : public JsonListener {
 public:
  [[nodiscard]] const std::optional<Fault>& fault() const { return fault_; }

 protected:
  void wrong(std::string what) {
    if (!fault_) fault_ = Fault{std::move(what)};
  }
  void text(Field<std::string>& field, const JsonScalar& value, const char* name) {
    if (value.kind != JsonScalar::Kind::text) return wrong(std::string(name) + " is no text");
    field.set(std::string(value.text));
  }
  void number(Field<std::uint64_t>& field, const JsonScalar& value, const char* name) {
    if (value.kind != JsonScalar::Kind::natural) {
      return wrong(std::string(name) + " is no whole number");
    }
    field.set(value.number);
  }

 private:
  std::optional<Fault> fault_;
};

class UsageListener : public Listener {
 public:
  std::vector<UsageEntry> entries;
  bool listed = false;

  void begin(const JsonPath& path) override {
    if (at(path, {"entries"})) listed = true;
    if (at(path, {"entries", "*"})) user_.clear(), of_user_ = entries.size();
    if (at(path, {"entries", "*", "buckets", "*"})) begin_bucket();
    if (at(path, {"entries", "*", "buckets", "*", "categories", "*"})) begin_category();
  }

  void end(const JsonPath& path) override {
    if (at(path, {"entries", "*"})) end_user();
    if (at(path, {"entries", "*", "buckets", "*"})) end_bucket();
    if (at(path, {"entries", "*", "buckets", "*", "categories", "*"})) end_category();
  }

  void scalar(const JsonPath& path, const JsonScalar& value) override {
    if (path.size() < 3 || path[0] != "entries") return;
    const std::string& key = path.back();
    if (path.size() == 3 && key == "user") text(user_, value, "user");
    if (path.size() == 5 && path[2] == "buckets") {
      if (key == "bucket") text(bucket_, value, "bucket");
      if (key == "owner") text(owner_, value, "owner");
      if (key == "epoch") number(hour_, value, "epoch");
    }
    if (path.size() == 7 && path[2] == "buckets" && path[4] == "categories") {
      if (key == "category") text(category_, value, "category");
      for (std::size_t i = 0; i < kCounts.size(); ++i) {
        if (key == kCounts[i]) number(counts_[i], value, kCounts[i]);
      }
    }
  }

 private:
  static constexpr std::array<const char*, 4> kCounts{"bytes_sent", "bytes_received", "ops",
                                                      "successful_ops"};

  void begin_bucket() {
    bucket_.clear(), owner_.clear(), hour_.clear();
    of_bucket_ = entries.size();
  }
  void begin_category() {
    category_.clear();
    for (auto& count : counts_) count.clear();
  }
  void end_category() {
    bool whole = category_.there();
    for (const auto& count : counts_) whole = whole && count.there();
    if (!whole) return wrong("a category of usage lacks a field");
    UsageEntry entry;
    entry.category = category_.take();
    entry.counts = {counts_[0].take(), counts_[1].take(), counts_[2].take(), counts_[3].take()};
    entries.push_back(std::move(entry));
  }
  void end_bucket() {
    if (!bucket_.there() || !hour_.there()) return wrong("a bucket of usage lacks a field");
    const std::string bucket = bucket_.take();
    const std::string owner = owner_.there() ? owner_.take() : std::string();
    const std::uint64_t hour = hour_.take();
    if (hour == 0 || hour > kLatestHour || hour % kHour != 0) {
      return wrong("the epoch " + std::to_string(hour) + " of usage is no hour");
    }
    for (std::size_t i = of_bucket_; i < entries.size(); ++i) {
      entries[i].bucket = bucket;
      entries[i].owner = owner;
      entries[i].hour = static_cast<std::int64_t>(hour);
    }
  }
  void end_user() {
    if (!user_.there()) return wrong("an entry of usage lacks its user");
    const std::string user = user_.take();
    for (std::size_t i = of_user_; i < entries.size(); ++i) entries[i].user = user;
  }

  Field<std::string> user_, bucket_, owner_, category_;
  Field<std::uint64_t> hour_;
  std::array<Field<std::uint64_t>, 4> counts_;
  std::size_t of_user_ = 0, of_bucket_ = 0;
};

/// Whether a bucket's index was never written to: "0#1,1#1", the version of each shard.
bool never_written(std::string_view versions) {
  for (;;) {
    const std::size_t comma = versions.find(',');
    const std::string_view shard = versions.substr(0, comma);
    const std::size_t mark = shard.find('#');
    if (mark == std::string_view::npos) return false;
    const std::string_view version = shard.substr(mark + 1);
    if (version != "0" && version != "1") return false;
    if (comma == std::string_view::npos) return true;
    versions.remove_prefix(comma + 1);
  }
}

class BucketListener : public Listener {
 public:
  std::vector<Bucket> buckets;
  bool listed = false;

  void begin(const JsonPath& path) override {
    if (path.empty()) return;
    if (at(path, {"*"})) {
      listed = true;
      for (auto* field : {&name_, &tenant_, &owner_, &placement_, &marker_, &index_, &versions_}) {
        field->clear();
      }
      bytes_.clear(), utilized_.clear(), objects_.clear();
      usage_ = main_ = false;
    }
    if (at(path, {"*", "usage"})) usage_ = true;
    if (at(path, {"*", "usage", "rgw.main"})) main_ = true;
  }

  void end(const JsonPath& path) override {
    if (path.empty()) listed = true;
    if (at(path, {"*"})) end_bucket();
  }

  void scalar(const JsonPath& path, const JsonScalar& value) override {
    if (path.size() < 2) return wrong("a bucket without its statistics");
    const std::string& key = path.back();
    if (path.size() == 2) {
      if (key == "bucket") text(name_, value, "bucket");
      if (key == "tenant") text(tenant_, value, "tenant");
      if (key == "owner") text(owner_, value, "owner");
      if (key == "placement_rule") text(placement_, value, "placement_rule");
      if (key == "marker") text(marker_, value, "marker");
      if (key == "index_type") text(index_, value, "index_type");
      if (key == "ver") text(versions_, value, "ver");
    }
    if (path.size() == 4 && path[1] == "usage" && path[2] == "rgw.main") {
      if (key == "size") number(bytes_, value, "size");
      if (key == "size_utilized") number(utilized_, value, "size_utilized");
      if (key == "num_objects") number(objects_, value, "num_objects");
    }
  }

 private:
  void end_bucket() {
    if (!name_.there() || !marker_.there() || !owner_.there()) {
      return wrong("a bucket lacks its name, marker or owner");
    }
    Bucket bucket;
    bucket.name = name_.take();
    bucket.marker = marker_.take();
    bucket.owner = owner_.take();
    if (tenant_.there()) bucket.tenant = tenant_.take();
    if (placement_.there()) bucket.placement = placement_.take();
    if (bucket.marker.empty()) return wrong("the bucket " + bucket.name + " has no marker");
    if (main_) {
      if (!bytes_.there() || !utilized_.there() || !objects_.there()) {
        return wrong("the bucket " + bucket.name + " lacks a size");
      }
      const BucketSizes sizes{bytes_.take(), utilized_.take(), objects_.take()};
      const bool sane =
          sizes.bytes < kLargest && sizes.utilized < kLargest && sizes.objects < kLargest;
      if (sane) bucket.sizes = sizes;
    } else if (usage_ && index_.there() && index_.take() == "Normal" && versions_.there() &&
               never_written(versions_.take())) {
      bucket.sizes = BucketSizes{};
    }
    buckets.push_back(std::move(bucket));
  }

  Field<std::string> name_, tenant_, owner_, placement_, marker_, index_, versions_;
  Field<std::uint64_t> bytes_, utilized_, objects_;
  bool usage_ = false, main_ = false;
};

class NameListener : public Listener {
 public:
  std::vector<std::string> names;
  bool listed = false;
  void begin(const JsonPath& path) override {
    if (path.empty()) listed = true;
    if (!path.empty()) wrong("a bucket that is no name");
  }
  void end(const JsonPath&) override {}
  void scalar(const JsonPath& path, const JsonScalar& value) override {
    if (!at(path, {"*"})) return wrong("no list of names");
    Field<std::string> name;
    text(name, value, "a bucket");
    if (name.there()) names.push_back(name.take());
  }
};

class CodeListener : public JsonListener {
 public:
  std::string code;
  void begin(const JsonPath&) override {}
  void end(const JsonPath&) override {}
  void scalar(const JsonPath& path, const JsonScalar& value) override {
    if (at(path, {"Code"}) && value.kind == JsonScalar::Kind::text) code = value.text;
  }
};

/// False when a count does not fit any more.
bool add(HourCounts& to, const HourCounts& by) {
  bool fits = true;
  for (const auto field : {&HourCounts::sent, &HourCounts::received, &HourCounts::operations,
                           &HourCounts::successful}) {
    fits = !__builtin_add_overflow(to.*field, by.*field, &(to.*field)) && fits;
  }
  return fits;
}

template <typename Found, typename L>
std::variant<Found, Fault> listened(std::string_view json, L& listener, Found L::*found,
                                    const char* what) {
  if (auto fault = walk_json(json, listener)) return *fault;
  if (listener.fault()) return *listener.fault();
  if (!listener.listed) return Fault{std::string("an answer without ") + what};
  return std::move(listener.*found);
}

}  // namespace

std::variant<std::vector<UsageEntry>, Fault> parse_usage(std::string_view json) {
  UsageListener listener;
  return listened(json, listener, &UsageListener::entries, "its list of entries");
}

std::variant<std::vector<UsageEntry>, Fault> parse_usage_of(std::int64_t hour,
                                                            std::string_view json) {
  auto parsed = parse_usage(json);
  auto* listed = std::get_if<std::vector<UsageEntry>>(&parsed);
  if (listed == nullptr) return parsed;
  std::map<std::tuple<std::string, std::string, std::string>, std::size_t> places;
  std::vector<UsageEntry> out;
  for (UsageEntry& entry : *listed) {
    if (entry.hour != hour) {
      return Fault{"asked for the usage of the hour " + std::to_string(hour) +
                   " it told of the hour " + std::to_string(entry.hour)};
    }
    const auto [place, fresh] =
        places.try_emplace(std::tuple(entry.user, entry.bucket, entry.category), out.size());
    if (fresh) {
      out.push_back(std::move(entry));
    } else if (!add(out[place->second].counts, entry.counts)) {
      return Fault{"the usage of " + entry.user + " is beyond 64 bits"};
    }
  }
  return out;
}

std::variant<std::vector<Bucket>, Fault> parse_buckets(std::string_view json) {
  if (json.empty() || json.front() != '[') return Fault{"an answer without its list of buckets"};
  BucketListener listener;
  return listened(json, listener, &BucketListener::buckets, "its list of buckets");
}

std::variant<std::vector<std::string>, Fault> parse_bucket_names(std::string_view json) {
  if (json.empty() || json.front() != '[') return Fault{"an answer without its list of names"};
  NameListener listener;
  return listened(json, listener, &NameListener::names, "its list of names");
}

std::string listed_name(const Bucket& bucket) {
  return bucket.tenant.empty() ? bucket.name : bucket.tenant + "/" + bucket.name;
}

std::string explain_refusal(int status, std::string_view body, std::string_view cap) {
  CodeListener listener;
  const bool json = !walk_json(body, listener);
  const std::string code = json ? listener.code : std::string();
  const std::string said = "the gateway answered " + std::to_string(status) +
                           (code.empty() ? std::string() : " " + code.substr(0, 64));
  if (code == "AccessDenied") {
    return said + ": the user lacks the capability " + std::string(cap) +
           "; radosgw-admin caps add --uid=USER --caps=\"" + std::string(cap) + "\"";
  }
  if (code == "SignatureDoesNotMatch") return said + ": the secret key is not the user's";
  if (code == "InvalidAccessKeyId") return said + ": no user has this access key";
  if (code == "RequestTimeTooSkewed") return said + ": its clock and this host's are apart";
  if (code == "MethodNotAllowed") return said + ": its admin API is switched off";
  return said;
}

}  // namespace ceph
