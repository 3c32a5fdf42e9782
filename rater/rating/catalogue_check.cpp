// What of a catalogue refers to what: ids that are missing or twice, and what nobody is billed for.

#include <algorithm>
#include <map>
#include <set>

#include "base/time_text.hpp"
#include "rater/bus/record_routing.hpp"
#include "rater/rating/catalogue_draft.hpp"

namespace tallyman::rater {

namespace {

using std::string;

// Ids stand in routing keys of at most 255 bytes, percent-encoded: model.md, "The message".
constexpr std::size_t kMaxEncodedId = 100;
constexpr std::size_t kMaxNamed = 20;  ///< ids that a message lists

template <typename T>
using ById = std::map<string, const Placed<T>*>;

template <typename T>
ById<T> index_of(std::vector<Placed<T>>& all, const char* what) {
  ById<T> by_id;
  for (Placed<T>& item : all) {
    const string& id = item.value.id;
    if (id.empty()) {
      if (item.table.has("id")) {
        item.table.complain("id", string(what) + " id is empty", "a name");
      }
      continue;
    }
    if (percent_encoded_size(id) > kMaxEncodedId || id == "-") {
      item.table.complain("id", string(what) + " id `" + id + "` cannot be used",
                          "a name of at most 100 bytes, percent-encoded, other than `-`");
    }
    const auto [at, fresh] = by_id.emplace(id, &item);
    if (fresh) continue;
    item.table.complain("id", "there are two of " + string(what) + " `" + id + "`",
                        "unique ids; the other one is at " + at->second->place());
  }
  return by_id;
}

template <typename T>
void refers(app::ConfigTable& table, const char* key, const string& id, const ById<T>& known,
            const char* what) {
  if (id.empty() || known.contains(id)) return;
  string names;
  std::size_t named = 0;
  for (const auto& [name, placed] : known) {
    if (++named > kMaxNamed) break;
    names += (names.empty() ? "" : ", ") + name;
  }
  if (named > kMaxNamed) names += " …";
  table.complain(key, string("unknown ") + what + " `" + id + "`",
                 known.empty() ? string("a [[") + what + "]] of that id" : "one of " + names);
}

class Check {
 public:
  explicit Check(CatalogueDraft& draft)
      : draft_(draft),
        meters_(index_of(draft.meters, "meter")),
        plans_(index_of(draft.plans, "plan")),
        customers_(index_of(draft.customers, "customer")) {}

  void run() {
    for (auto& item : draft_.items) {
      refers(item.table, "meter", item.value.meter, meters_, "meter");
    }
    for (auto& customer : draft_.customers) check_plans(customer);
    for (auto& resource : draft_.resources) check_resource(resource);
    warn_of_unused();
  }

 private:
  void check_plans(Placed<Customer>& customer) {
    const Plan* first = nullptr;
    for (const PlanSpan& span : customer.value.plans) {
      refers(customer.table, customer.table.has("plans") ? "plans" : "plan", span.plan, plans_,
             "plan");
      const auto found = plans_.find(span.plan);
      if (found == plans_.end()) continue;
      const Plan& plan = found->second->value;
      if (first == nullptr) first = &plan;
      if (plan.currency != first->currency || plan.rounding != first->rounding) {
        customer.table.complain(
            "plans",
            "plans `" + first->id + "` and `" + plan.id + "` differ in currency or rounding",
            "one customer's plans to be alike in both: a record has one amount");
      }
    }
  }

  /// Whether a meter of a plan that the customer ever has reads a metric of that name.
  bool billed(const Customer& customer, const string* metric) const {
    const auto claimed = [&](const string& name) {
      return !name.empty() && (metric == nullptr || glob_match(*metric, name));
    };
    for (const PlanSpan& span : customer.plans) {
      const auto plan = plans_.find(span.plan);
      if (plan == plans_.end()) return true;
      for (const PlanItem& item : plan->second->value.items) {
        const auto found = meters_.find(item.meter);
        if (found == meters_.end()) return true;
        const Meter& meter = found->second->value;
        if (claimed(meter.metric)) return true;
        if (meter.direction != Direction::out && claimed(meter.in)) return true;
        if (meter.direction != Direction::in && claimed(meter.out)) return true;
      }
    }
    return customer.plans.empty();
  }

  void check_resource(Placed<Resource>& resource) {
    refers(resource.table, "customer", resource.value.customer, customers_, "customer");
    const auto found = customers_.find(resource.value.customer);
    if (found == customers_.end()) return;
    const Customer& customer = found->second->value;
    if (std::max(resource.value.from, customer.from) >= std::min(resource.value.to, customer.to)) {
      resource.table.complain(
          resource.table.has("to") ? "to" : "from",
          "customer `" + customer.id + "` is never active while it holds this",
          "a time within the customer's own; that one is at " + found->second->place());
      return;
    }
    const auto& globs = resource.value.match.globs;
    const auto metric = globs.find("metric");
    const string* glob = metric == globs.end() ? nullptr : &metric->second;
    if (globs.empty() || billed(customer, glob)) return;
    const string what = glob == nullptr ? "anything" : "metric `" + *glob + "`";
    resource.table.complain("match", "no plan of customer `" + customer.id + "` meters " + what,
                            "a plan with an item whose meter reads it");
  }

  void warn_of_unused() {
    std::set<string> used, held;
    for (const auto& item : draft_.items) used.insert(item.value.meter);
    for (const auto& customer : draft_.customers) {
      for (const PlanSpan& span : customer.value.plans) held.insert(span.plan);
    }
    const auto warn = [this](const auto& placed, const char* what) {
      draft_.catalogue.warnings.push_back(placed.place() + ": " + what + " `" + placed.value.id +
                                          "` is used by nobody");
    };
    for (const auto& meter : draft_.meters) {
      if (!used.contains(meter.value.id)) warn(meter, "meter");
    }
    for (const auto& plan : draft_.plans) {
      if (!held.contains(plan.value.id)) warn(plan, "plan");
    }
  }

  CatalogueDraft& draft_;
  ById<Meter> meters_;
  ById<Plan> plans_;
  ById<Customer> customers_;
};

}  // namespace

void check_catalogue(CatalogueDraft& draft) {
  Check(draft).run();
  check_claims(draft);
}

}  // namespace tallyman::rater
