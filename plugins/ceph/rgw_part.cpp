#include "rgw_part.hpp"

#include <algorithm>
#include <ctime>
#include <iterator>
#include <set>
#include <utility>

#include "printable.hpp"

namespace ceph {
namespace {

constexpr std::int64_t kNanos = 1'000'000'000;
constexpr std::int64_t kMostOutage = 960 * kHour;
constexpr std::size_t kMostProcesses = 32;
constexpr std::size_t kMetricsOfAnHour = 4;

/// "2026-11-23%2007%3A00%3A00": as the signature has it, too.
std::string query_time(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[64];
  const std::size_t n = std::strftime(text, sizeof text, "%Y-%m-%d%%20%H%%3A%M%%3A%S", &parts);
  return {text, n};
}

std::string failure(const HttpAnswer& answer, std::string_view cap) {
  if (answer.status == 0) return answer.why;
  return answer.endpoint + ": " + explain_refusal(answer.status, answer.body, cap);
}

/// By hour; when there are more than fit, those that were never told come first.
std::vector<const ToldHour*> that_fit(const std::vector<ToldHour>& hours, std::size_t most) {
  std::vector<const ToldHour*> out;
  for (const bool owed : {true, false}) {
    for (const ToldHour& hour : hours) {
      if (hour.owed == owed && out.size() < most) out.push_back(&hour);
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

GatewayName gateway_of(const std::string& request_id) {
  GatewayName out;
  const std::size_t time = request_id.find('-');
  if (!request_id.starts_with("tx") || time == std::string::npos) return out;
  const std::size_t process = request_id.find('-', time + 1);
  if (process == std::string::npos) return out;
  const std::size_t zone = request_id.find('-', process + 1);
  if (zone == std::string::npos) return out;
  out.process = request_id.substr(process + 1, zone - process - 1);
  out.zone = request_id.substr(zone + 1);
  return out;
}

std::string owner_of(const std::string& list_of_buckets) {
  static constexpr std::string_view kBegin = "<Owner><ID>", kEnd = "</ID>";
  const std::size_t at = list_of_buckets.find(kBegin);
  if (at == std::string::npos) return {};
  const std::size_t from = at + kBegin.size();
  const std::size_t to = list_of_buckets.find(kEnd, from);
  return to == std::string::npos ? std::string() : list_of_buckets.substr(from, to - from);
}

RgwPart::RgwPart(RgwOptions options, Secret secret)
    : options_(std::move(options)),
      secret_(std::move(secret)),
      book_(options_.settle),
      order_(options_.endpoints) {}

void RgwPart::prefer(const std::string& endpoint) {
  const auto it = std::find(order_.begin(), order_.end(), endpoint);
  if (it != order_.end()) std::rotate(order_.begin(), it, it + 1);
}

void RgwPart::ask(std::vector<HttpRequest>& requests, std::int64_t now, SavedState& state) {
  const std::size_t before = requests.size();
  previous_ = now_ == 0 ? now : now_;
  now_ = now;
  const std::int64_t running = now - now % kHour;
  if (state.usage_begin == 0) state.usage_begin = running;
  for (const std::string& endpoint : options_.endpoints) {
    requests.push_back({{endpoint}, "/", &secret_, {}});
  }
  if (options_.usage) {
    const std::int64_t told = state.usage_told == 0 ? now : std::min(state.usage_told, now);
    const std::int64_t back = std::max(told - options_.lookback, now - kMostOutage);
    from_ = std::max(back - back % kHour, std::min(state.usage_begin, running));
    end_ = std::min(running + kHour, from_ + kMostHours * kHour);
    for (std::int64_t hour = from_; hour < end_; hour += kHour) {
      requests.push_back(
          {order_,
           "/admin/usage?end=" + query_time(hour + kHour) +
               "&format=json&show-entries=true&show-summary=false&start=" + query_time(hour),
           &secret_,
           {}});
    }
  }
  if (options_.buckets) {
    requests.push_back({order_, "/admin/bucket?format=json&stats=true", &secret_, {}});
    requests.push_back({order_, "/admin/bucket?format=json", &secret_, {}});
  }
  asked_ = requests.size() - before;
}

void RgwPart::take(const HttpAnswer* answers, Outlet& out, SavedState& state) {
  const HttpAnswer* next = answers + options_.endpoints.size();
  std::string why = watch(answers, state);
  if (!foreign_zone_.empty()) {
    const std::string zone = "the gateways are of zone " + foreign_zone_ + ", not of " +
                             options_.zone + "; set option zone";
    if (options_.usage) out.gap(zone, *options_.usage);
    if (options_.buckets) out.gap(zone, *options_.buckets);
    return;
  }
  if (options_.usage) {
    take_usage(next, std::move(why), out, state);
    next += (end_ - from_) / kHour;
  }
  if (options_.buckets) take_buckets(next[0], next[1], out);
}

std::string RgwPart::watch(const HttpAnswer* answers, SavedState& state) {
  std::string why;
  std::erase_if(state.gateways, [&](const auto& known) {
    return std::find(options_.endpoints.begin(), options_.endpoints.end(), known.first) ==
           options_.endpoints.end();
  });
  foreign_zone_.clear();
  for (std::size_t i = 0; i < options_.endpoints.size(); ++i) {
    const std::string& endpoint = options_.endpoints[i];
    const std::string found = watch_one(state.gateways[endpoint], endpoint, answers[i]);
    if (!found.empty()) why += (why.empty() ? "" : "; ") + found;
    if (!answers[i].good()) continue;
    const std::string user = owner_of(answers[i].body);
    if (user.empty()) continue;
    user_ = user;
    if (noted_ == 0) noted_ = now_;
  }
  return why;
}

std::string RgwPart::watch_one(KnownGateway& gateway, const std::string& endpoint,
                               const HttpAnswer& answer) {
  const bool answered_before = std::exchange(gateway.answered, answer.status != 0);
  if (answer.status == 0) {
    if (!answered_before) return {};
    return answer.why + "; what this gateway had not written to the usage log yet may be lost";
  }
  const GatewayName name = gateway_of(answer.request_id);
  if (name.process.empty()) return {};
  if (name.zone != options_.zone && name.zone.find('%') == std::string::npos) {
    foreign_zone_ = name.zone;
  }
  const bool first = gateway.processes.empty();
  if (gateway.processes.size() >= kMostProcesses) gateway.processes.clear();
  if (!gateway.processes.insert(name.process).second || first) return {};
  return endpoint +
         " is another process than before; what the last one had not written to the "
         "usage log yet may be lost";
}

std::string RgwPart::log_is_off(const std::vector<UsageEntry>& entries) {
  if (noted_ == 0) return {};
  std::map<std::int64_t, std::uint64_t> own;
  for (const UsageEntry& entry : entries) {
    if (entry.user == user_) own[entry.hour] += entry.counts.operations;
  }
  for (const auto& [hour, operations] : own) {
    const auto before = own_.find(hour);
    if (before == own_.end() || operations > before->second) noted_ = now_;
  }
  own_ = std::move(own);
  // Each poll adds an operation of ours, that is in the log in time for one of the next.
  if (now_ - noted_ <= options_.flush + (now_ - previous_)) return {};
  return "the usage log has not held this plugin's own requests for " +
         std::to_string(now_ - noted_) + " s: rgw_enable_usage_log is off, or it is not written";
}

RgwPart::HoursRead RgwPart::read_hours(const HttpAnswer* answers) {
  HoursRead out;
  for (out.end = from_; out.end < end_; out.end += kHour, ++answers) {
    if (!answers->good()) {
      out.why = failure(*answers, "usage=read");
      break;
    }
    prefer(answers->endpoint);
    auto parsed = parse_usage_of(out.end, answers->body);
    if (const auto* fault = std::get_if<Fault>(&parsed)) {
      out.why = answers->endpoint + ": " + fault->what;
      break;
    }
    auto& entries = std::get<0>(parsed);
    std::move(entries.begin(), entries.end(), std::back_inserter(out.entries));
  }
  return out;
}

void RgwPart::take_usage(const HttpAnswer* answers, std::string why, Outlet& out,
                         SavedState& state) {
  const HoursRead read = read_hours(answers);
  if (why.empty() && read.end > now_) why = log_is_off(read.entries);
  if (end_ <= now_ && noted_ != 0) noted_ = now_;  // they are of the hour that was not asked for
  if (!why.empty() || read.end == from_) {
    out.gap(why.empty() ? read.why : why, *options_.usage);
    return;
  }
  const bool whole = tell(book_.advance(read.entries, from_, read.end, now_), out);
  if (!read.why.empty()) {
    out.gap(read.why, *options_.usage);
  } else if (read.end <= now_) {
    out.gap("usage is read up to " + std::to_string((now_ - read.end) / kHour + 1) +
                " hours ago; the rest follows at the next polls",
            *options_.usage);
  }
  // The next poll begins with the first hour that may still grow.
  if (whole) state.usage_told = std::min(now_, read.end + options_.lookback);
}

bool RgwPart::tell(const UsageBook::Step& step, Outlet& out) {
  std::vector<const ToldHour*> chosen = that_fit(step.told, out.room() / kMetricsOfAnHour);
  std::size_t told = 0;
  for (const ToldHour* hour : chosen) {
    if (!tell(*hour, out)) break;
    book_.told(*hour);
    ++told;
  }
  for (const LostHour& lost : step.lost) {
    for (std::uint32_t metric = kRgwSent; metric <= kRgwSuccessful; ++metric) {
      out.gap(
          static_cast<Metric>(metric),
          {printable(lost.key->user), printable(lost.key->bucket), printable(lost.key->category)},
          lost.why, *options_.usage);
    }
  }
  if (told < step.told.size()) {
    out.gap(std::to_string(step.told.size() - told) +
                " hours of usage are more than fit into this poll, and follow at the next ones; "
                "meter usage in an instance of its own (option parts)",
            *options_.usage);
  }
  return !book_.owes();
}

bool RgwPart::tell(const ToldHour& hour, Outlet& out) const {
  const std::pair<Metric, std::uint64_t HourCounts::*> counts[] = {
      {kRgwSent, &HourCounts::sent},
      {kRgwReceived, &HourCounts::received},
      {kRgwOperations, &HourCounts::operations},
      {kRgwSuccessful, &HourCounts::successful}};
  const UsageKey& key = *hour.key;
  const std::size_t mark = key.user.find('$');
  const std::string tenant = mark == std::string::npos ? "" : key.user.substr(0, mark);
  for (const auto& [metric, count] : counts) {
    if (hour.ever.*count == 0) continue;
    if (!out.emit(
            {.metric = metric,
             .value = hour.counts.*count,
             .epoch = tallyman::plugin::epoch("hour", hour.hour),
             .start = hour.hour * kNanos,
             .time = hour.over ? (hour.hour + kHour) * kNanos : 0,
             .identity = {printable(key.user), printable(key.bucket), printable(key.category)},
             .info = {printable(*hour.owner), printable(tenant)},
             .source = *options_.usage})) {
      return false;
    }
  }
  return true;
}

void RgwPart::take_buckets(const HttpAnswer& stats, const HttpAnswer& names, Outlet& out) {
  std::string why;
  if (!stats.good()) why = failure(stats, "buckets=read");
  if (why.empty() && !names.good()) why = failure(names, "buckets=read");
  if (why.empty()) {
    prefer(stats.endpoint);
    const auto parsed = parse_buckets(stats.body);
    const auto listed = parse_bucket_names(names.body);
    if (const auto* fault = std::get_if<Fault>(&parsed)) {
      why = stats.endpoint + ": " + fault->what;
    } else if (const auto* wrong = std::get_if<Fault>(&listed)) {
      why = names.endpoint + ": " + wrong->what;
    } else {
      std::map<std::string, std::string> known;
      std::set<std::string> markers;
      for (const Bucket& bucket : std::get<0>(parsed)) {
        known.emplace(listed_name(bucket), bucket.marker);
        if (markers.insert(bucket.marker).second) {
          tell(bucket, out);
        } else {
          out.gap(kBucketBytes, {bucket.marker},
                  "bucket " + listed_name(bucket) + " has the id of another one",
                  *options_.buckets);
        }
      }
      // A gateway leaves out a bucket whose statistics it cannot read: it has not ended.
      for (const std::string& name : std::get<0>(listed)) {
        const auto before = known_.find(name);
        if (before == known_.end() || known.contains(name)) continue;
        known.insert(*before);
        for (const Metric metric : {kBucketBytes, kBucketUtilized, kBucketObjects}) {
          out.gap(metric, {before->second}, "bucket " + name + " has no statistics",
                  *options_.buckets);
        }
      }
      known_ = std::move(known);
    }
  }
  if (!why.empty()) out.gap(why, *options_.buckets);
}

void RgwPart::tell(const Bucket& bucket, Outlet& out) const {
  const std::pair<Metric, std::uint64_t BucketSizes::*> sizes[] = {
      {kBucketBytes, &BucketSizes::bytes},
      {kBucketUtilized, &BucketSizes::utilized},
      {kBucketObjects, &BucketSizes::objects}};
  for (const auto& [metric, size] : sizes) {
    if (!bucket.sizes) {
      out.gap(metric, {bucket.marker}, "bucket " + listed_name(bucket) + " does not tell its size",
              *options_.buckets);
      continue;
    }
    if (out.emit({.metric = metric,
                  .value = (*bucket.sizes).*size,
                  .identity = {bucket.marker},
                  .info = {printable(bucket.name), printable(bucket.tenant),
                           printable(bucket.owner), printable(bucket.placement)},
                  .source = *options_.buckets})) {
      continue;
    }
    out.gap(metric, {bucket.marker},
            "more buckets than fit into a poll; meter them in an instance of their own",
            *options_.buckets);
  }
}

}  // namespace ceph
