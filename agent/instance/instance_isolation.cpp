// What an instance's plugin needs, what its configuration grants, and what its hosts are confined
// to.

#include <algorithm>
#include <utility>

#include "agent/instance/instance.hpp"
#include "agent/isolation/isolation.hpp"
#include "app/log.hpp"

namespace tallyman::agent {
namespace {

/// The one that runs, the one before, one that is to take over, and one to spare.
constexpr std::size_t kMostKnown = 4;

}  // namespace

// A file whose needs nobody has read yet is loaded with nothing, to be asked for them.
Result<Confinement> Instance::confinement(const StoredPlugin& version) const {
  const KnownNeeds* known = known_needs(version.digest);
  const Access access = known != nullptr ? judged(*known).access : Access{};
  return context_.isolation->confine(
      {config_.name, version.path, context_.plugin_host, config_.user, access, config_.limits});
}

const KnownNeeds* Instance::known_needs(const Hash& digest) const {
  const auto found = std::find_if(needs_.begin(), needs_.end(),
                                  [&](const KnownNeeds& one) { return one.digest == digest; });
  return found == needs_.end() ? nullptr : &*found;
}

Judgement Instance::judged(const KnownNeeds& known) const {
  return judge(known.needs, config_.grants, option_values(known.options, config_.options));
}

Verdict Instance::learn(const Hash& digest, const Described& described) {
  KnownNeeds told{digest, described.needs, described.options};
  const KnownNeeds* known = known_needs(digest);
  if (known != nullptr && !(*known == told)) {
    return Fault{wire::Cause::refused, "it declares other needs each time it is loaded"};
  }
  if (known == nullptr) {
    if (needs_.size() >= kMostKnown) needs_.erase(needs_.begin());
    needs_.push_back(std::move(told));
  }
  if (Verdict fault = fit(described)) return fault;
  const std::string surplus = judged(*known_needs(digest)).surplus;
  if (!surplus.empty() && surplus != surplus_) {
    context_.event(*this, "granted but not needed, and not given: " + surplus);
  }
  surplus_ = surplus;
  return {};
}

bool Instance::admit(const Described& described) {
  if (Verdict fault = learn(version_->digest, described)) {
    refuse(fault->why);
    return false;
  }
  if (judged(*known_needs(version_->digest)).access == process_->confined().access) return true;
  // Once, and from then on right away: with what it needs, and no more.
  context_.loop.after(0, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired() && supervisor_.phase() == PluginPhase::starting && !described_) spawn();
  });
  return false;
}

Verdict Instance::fit_successor(const Described& described) {
  const PluginVersion version = successor_.version();
  if (Verdict fault = learn(version->digest, described)) return fault;
  if (judged(*known_needs(version->digest)).access == successor_.confined().access) return {};
  context_.loop.after(0, [this, version, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired() && successor_.alive() && successor_.version() == version) {
      successor_.offer(version);
    }
  });
  return {};
}

Verdict Instance::within_readings(std::size_t more) {
  flight_->readings += more;
  const std::string words = over_readings(config_.limits, flight_->readings);
  if (words.empty()) return {};
  return Fault{wire::Cause::limit, words};
}

Verdict Instance::within_bytes() const {
  const std::uint64_t bytes = process_ ? process_->received() - received_before_ : 0;
  const std::string words = over_bytes(config_.limits, bytes);
  if (words.empty()) return {};
  return Fault{wire::Cause::limit, words};
}

}  // namespace tallyman::agent
