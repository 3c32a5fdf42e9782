#pragma once
// Plugins in C++20: a class with a few static declarations, a constructor and poll(), and one line
// that exports it. Header-only, the standard library alone. The contract is plugin.h's; what this
// header adds is types, and that no exception leaves the plugin.
//
//   class Load {
//    public:
//     static constexpr const char* name = "load";
//     static constexpr const char* version = "1.0";
//     static constexpr tm_metric metrics[] = {
//         tallyman::plugin::gauge("load_runnable", "tasks", "Tasks that can run now")};
//     explicit Load(tallyman::plugin::Host host);        // throws BadConfig when it cannot work
//     void poll(tallyman::plugin::Poll& poll) { poll.emit({.metric = 0, .value = runnable()}); }
//   };
//   TALLYMAN_PLUGIN(Load)
//
// What a plugin class may have besides:
//   static constexpr tm_option options[] = {option("interface", "", "globs to include")};
//   static constexpr tm_needs needs = …;
//   static constexpr std::uint32_t state_version = 1;    and then both of
//     void save(StateWriter& out) const;                   what the next life needs
//     void restore(std::uint32_t from_version, std::span<const std::byte> bytes);  or throw
//     BadState
//   static const void* extension(const char* id) noexcept;
//
// What is thrown becomes fail(what()) and a status: RetryLater → TM_RETRY, BadConfig →
// TM_BAD_CONFIG, BadState → TM_BAD_STATE, Broken → TM_BROKEN; any other std::exception →
// TM_RETRY, in restore TM_BAD_STATE; anything else → TM_BROKEN.
//
// Threads: as plugin.h says: the host's one thread, inside the call that handed the object out.

#include <tallyman/plugin.h>
#include <tallyman/epoch.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace tallyman::plugin {

struct RetryLater : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct BadConfig : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct BadState : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct Broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// ---- Declarations -------------------------------------------------------------------------------

/// A string as a template argument: what labels<"a", "b"> is made of.
template <std::size_t N>
struct FixedText {
  char text[N]{};
  constexpr FixedText(const char (&s)[N]) {  // NOLINT: implicit, so that a literal will do
    for (std::size_t i = 0; i < N; ++i) text[i] = s[i];
  }
};

/// A NULL-terminated array of names: labels<"ifindex", "netns">.
template <FixedText... Names>
inline constexpr const char* labels[] = {Names.text..., nullptr};

/// As labels, for the capabilities and paths of tm_needs.
template <FixedText... Names>
inline constexpr const char* list[] = {Names.text..., nullptr};

constexpr tm_metric counter(const char* name, const char* unit, const char* help,
                            const char* const* identity = nullptr,
                            const char* const* info = nullptr, std::uint64_t resolution_ns = 0) {
  return {name, unit, help, TM_COUNTER, 0, resolution_ns, identity, info};
}

constexpr tm_metric gauge(const char* name, const char* unit, const char* help,
                          const char* const* identity = nullptr, const char* const* info = nullptr,
                          std::uint64_t resolution_ns = 0) {
  return {name, unit, help, TM_GAUGE, 0, resolution_ns, identity, info};
}

/// An option that may be left out; "" as its fallback: it then has no value.
constexpr tm_option option(const char* key, const char* fallback, const char* help) {
  return {key, fallback, help};
}

constexpr tm_option required(const char* key, const char* help) { return {key, nullptr, help}; }

struct Needs {
  bool network = false;
  const char* user = nullptr;
  const char* const* capabilities = nullptr;  ///< list<"CAP_NET_ADMIN">
  const char* const* paths = nullptr;         ///< list<"/proc/net", "+/run/x.sock", "@path">
};

/// static constexpr tm_needs needs = tallyman::plugin::needing({.paths = list<"/proc">});
constexpr tm_needs needing(const Needs& n) {
  return {sizeof(tm_needs), n.network ? 1U : 0U, n.user, n.capabilities, n.paths};
}

// ---- Readings -----------------------------------------------------------------------------------

/// Label values in the order of the metric's names: {"3", name}, or a span of strings. Holds
/// pointers, not copies: use it in the expression that emits.
class Labels {
 public:
  static constexpr std::size_t kMax = 32;
  struct Text {
    const char* text;
    Text(const char* s) : text(s) {}                 // NOLINT: implicit
    Text(const std::string& s) : text(s.c_str()) {}  // NOLINT: implicit
  };

  Labels() = default;
  Labels(std::initializer_list<Text> values) {  // NOLINT: implicit
    for (const Text& value : values) add(value.text);
  }
  Labels(std::span<const std::string> values) {  // NOLINT: implicit
    for (const std::string& value : values) add(value.c_str());
  }
  Labels(const std::vector<std::string>& values)  // NOLINT: implicit
      : Labels(std::span<const std::string>(values)) {}

  void add(const char* value) {
    if (size_ == kMax) throw std::length_error("a reading has at most 32 labels of a sort");
    values_[size_++] = value;
  }
  [[nodiscard]] const char* const* data() const { return size_ == 0 ? nullptr : values_.data(); }
  [[nodiscard]] std::uint32_t size() const { return size_; }

 private:
  std::array<const char*, kMax> values_;
  std::uint32_t size_ = 0;
};

/// tm_reading, with names to its fields.
struct Reading {
  std::uint32_t metric = 0;  ///< index into `metrics`
  std::uint64_t value = 0;
  std::uint64_t epoch = 0;
  std::int64_t start = 0;  ///< 0 = not known
  std::int64_t time = 0;   ///< 0 = this poll
  Labels identity{}, info{};
  std::uint32_t source = TM_THIS_HOST;
};

/// The host, from the constructor on. Copy it at will; it lives as long as the instance.
class Host {
 public:
  explicit Host(const tm_host_v1* host) : host_(host) {}

  void debug(const std::string& text) const { log(TM_DEBUG, text); }
  void info(const std::string& text) const { log(TM_INFO, text); }
  void warning(const std::string& text) const { log(TM_WARNING, text); }
  void error(const std::string& text) const { log(TM_ERROR, text); }

  /// The value of a declared option, or its fallback; "" when it has none.
  [[nodiscard]] std::string option(const char* key) const {
    const char* value = host_->config(host_->ctx, key, 0);
    return value == nullptr ? std::string() : std::string(value);
  }
  /// All values of a declared option that is a list.
  [[nodiscard]] std::vector<std::string> options(const char* key) const {
    std::vector<std::string> values;
    for (std::uint32_t i = 0;; ++i) {
      const char* value = host_->config(host_->ctx, key, i);
      if (value == nullptr) return values;
      values.emplace_back(value);
    }
  }

  /// The number of a source, for readings and gaps. Not in save.
  [[nodiscard]] std::uint32_t host_source(const std::string& part) const {
    return source(part, TM_SCOPE_HOST);
  }
  [[nodiscard]] std::uint32_t shared_source(const std::string& id) const {
    return source(id, TM_SCOPE_SHARED);
  }

  [[nodiscard]] const void* extension(const char* id) const {
    return host_->extension(host_->ctx, id);
  }
  [[nodiscard]] const tm_host_v1* raw() const { return host_; }

 private:
  void log(std::uint32_t level, const std::string& text) const {
    host_->log(host_->ctx, level, text.c_str());
  }
  std::uint32_t source(const std::string& id, std::uint32_t scope) const {
    const std::uint32_t number = host_->source(host_->ctx, id.c_str(), scope);
    if (number == TM_NO_SOURCE) throw Broken("the source \"" + id + "\" was refused");
    return number;
  }
  const tm_host_v1* host_;
};

/// One poll. Not to be kept.
class Poll {
 public:
  Poll(const tm_host_v1* host, const tm_poll* poll) : host_(host), poll_(poll) {}

  [[nodiscard]] std::int64_t scheduled() const { return poll_->scheduled_ns; }  ///< since the epoch
  [[nodiscard]] std::int64_t deadline() const { return poll_->deadline_ns; }    ///< boot clock
  [[nodiscard]] Host host() const { return Host(host_); }

  /// Throws Broken when the host refuses it: let it pass.
  void emit(const Reading& r) {
    const tm_reading reading{sizeof(tm_reading),
                             r.metric,
                             r.source,
                             r.identity.size(),
                             r.info.size(),
                             0,
                             r.value,
                             r.epoch,
                             r.start,
                             r.time,
                             r.identity.data(),
                             r.info.data()};
    check(host_->emit(host_->ctx, &reading));
  }

  /// A whole source gave nothing.
  void gap(const std::string& why, std::uint32_t source = TM_THIS_HOST) {
    gap(TM_ALL_METRICS, {}, why, source);
  }
  /// A metric of a source gave nothing, or, with identity labels, one series of it.
  void gap(std::uint32_t metric, const Labels& identity, const std::string& why,
           std::uint32_t source = TM_THIS_HOST) {
    const tm_gap part{sizeof(tm_gap),  metric,          source,
                      identity.size(), identity.data(), why.c_str()};
    check(host_->gap(host_->ctx, &part));
  }

 private:
  /// The host has recorded why, better than we know it: no text of our own.
  static void check(tm_status status) {
    if (status != TM_OK) throw Broken("");
  }
  const tm_host_v1* host_;
  const tm_poll* poll_;
};

/// Where save() writes to. Throws Broken beyond 64 KiB.
class StateWriter {
 public:
  explicit StateWriter(const tm_host_v1* host) : host_(host) {}
  void write(std::span<const std::byte> bytes) {
    if (host_->write(host_->ctx, bytes.data(), bytes.size()) != TM_OK) throw Broken("");
  }
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }

 private:
  const tm_host_v1* host_;
};

// ---- The table ----------------------------------------------------------------------------------

/// What stands behind `self`, and the functions of the table. Not for plugins to use.
template <typename T>
class Adapter {
 public:
  static tm_status create(const tm_host_v1* host, void** self) noexcept {
    return guarded(host, TM_RETRY, [&] { *self = new Adapter(host); });
  }
  static tm_status poll(void* self, const tm_poll* request) noexcept {
    Adapter& me = of(self);
    return guarded(me.host_, TM_RETRY, [&] {
      Poll poll(me.host_, request);
      me.plugin_.poll(poll);
    });
  }
  static tm_status save(void* self) noexcept {
    Adapter& me = of(self);
    return guarded(me.host_, TM_RETRY, [&] {
      if constexpr (requires(const T& t, StateWriter& w) { t.save(w); }) {
        StateWriter out(me.host_);
        std::as_const(me.plugin_).save(out);
      }
    });
  }
  static tm_status restore(void* self, std::uint32_t from_version, const void* bytes,
                           std::uint64_t n) noexcept {
    Adapter& me = of(self);
    return guarded(me.host_, TM_BAD_STATE, [&] {
      const std::span state(static_cast<const std::byte*>(bytes), static_cast<std::size_t>(n));
      if constexpr (requires(T & t) { t.restore(from_version, state); }) {
        me.plugin_.restore(from_version, state);
      }
    });
  }
  static void destroy(void* self) noexcept { delete &of(self); }

  static constexpr tm_plugin_v1 table() {
    tm_plugin_v1 t{};
    t.size = sizeof(tm_plugin_v1);
    t.minor = TM_PLUGIN_V1_MINOR;
    t.name = T::name;
    t.version = T::version;
    t.metrics = T::metrics;
    t.n_metrics = std::extent_v<decltype(T::metrics)>;
    t.metric_size = sizeof(tm_metric);
    t.option_size = sizeof(tm_option);
    if constexpr (requires { T::options; }) {
      t.options = T::options;
      t.n_options = std::extent_v<decltype(T::options)>;
    }
    if constexpr (requires { T::needs; }) t.needs = &T::needs;
    t.create = create;
    t.poll = poll;
    t.destroy = destroy;
    if constexpr (requires { T::state_version; }) {
      static_assert(
          requires(const T& c, T& m, StateWriter& w, std::span<const std::byte> b) {
            c.save(w);
            m.restore(std::uint32_t{}, b);
          },
          "a plugin with a state_version has save(StateWriter&) const and restore(version, bytes)");
      t.state_version = T::state_version;
      t.save = save;
      t.restore = restore;
    }
    if constexpr (requires { T::extension(""); }) t.extension = T::extension;
    return t;
  }

 private:
  explicit Adapter(const tm_host_v1* host) : host_(host), plugin_(Host(host)) {}
  static Adapter& of(void* self) { return *static_cast<Adapter*>(self); }

  static tm_status failed(const tm_host_v1* host, const char* why, tm_status status) noexcept {
    if (*why != '\0') host->fail(host->ctx, why);
    return status;
  }
  template <typename Call>
  static tm_status guarded(const tm_host_v1* host, tm_status other, Call call) noexcept {
    try {
      call();
      return TM_OK;
    } catch (const RetryLater& e) {
      return failed(host, e.what(), TM_RETRY);
    } catch (const BadConfig& e) {
      return failed(host, e.what(), TM_BAD_CONFIG);
    } catch (const BadState& e) {
      return failed(host, e.what(), TM_BAD_STATE);
    } catch (const Broken& e) {
      return failed(host, e.what(), TM_BROKEN);
    } catch (const std::exception& e) {
      return failed(host, e.what(), other);
    } catch (...) {
      return failed(host, "threw something that is no std::exception", TM_BROKEN);
    }
  }

  const tm_host_v1* host_;
  T plugin_;
};

}  // namespace tallyman::plugin

/// Exports a plugin class: once, at global scope, in one source file.
#define TALLYMAN_PLUGIN(Class) \
  constinit const tm_plugin_v1 tm_plugin_v1_entry = ::tallyman::plugin::Adapter<Class>::table()
