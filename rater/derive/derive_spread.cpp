#include "rater/derive/derive_spread.hpp"

#include <algorithm>
#include <utility>

namespace tallyman::rater::fold {
namespace {

/// amount × part / whole, rounded down; part ≤ whole.
u128 share(u128 amount, Ns part, Ns whole) {
  const auto p = static_cast<u128>(part);
  const auto w = static_cast<u128>(whole);
  if (amount >> 64U == 0) return amount * p / w;
  return mul_div(amount, p, w).value_or(0);
}

std::uint64_t narrow(u128 amount) {
  return static_cast<std::uint64_t>(std::min<u128>(amount, kNoEnd));
}

}  // namespace

Ns Spreader::bounded(Ns from, Ns to) const {
  if ((to - from) / slot_ <= kMaxSlots) return from;
  return to - kMaxSlots * slot_;
}

SlotUsage& Spreader::at(View& view, Ns instant) {
  if (view.dirty && instant >= view.open_from && instant < view.open_to) return view.open;
  if (view.dirty) {
    flush(view);
  } else {
    dirty_.push_back(&view);
  }
  const Ns slot = instant / slot_;
  view.open = SlotUsage{.slot = slot};
  view.open_from = slot * slot_;
  view.open_to = view.open_from + slot_;
  view.dirty = true;
  return view.open;
}

void Spreader::flush(View& view) { done_.push_back({view.id, view.open}); }

void Spreader::count(View& view, Ns from, Ns to, u128 delta) {
  if (delta == 0) return;
  const Ns whole = to - from;
  u128 counted = 0;
  for (Ns at_now = from; at_now < to;) {
    const Ns next = std::min(to, (at_now / slot_ + 1) * slot_);
    const u128 upto = next < to ? share(delta, next - from, whole) : delta;
    if (upto > counted) at(view, at_now).amount += upto - counted;
    if (next < to) {
      SlotUsage& later = at(view, next);
      later.before = sum_or_no_end(later.before, narrow(upto));
      later.after = sum_or_no_end(later.after, narrow(delta - upto));
    }
    counted = upto;
    at_now = next;
  }
}

void Spreader::hold(View& view, Ns from, Ns to, std::uint64_t value) {
  for (Ns at_now = from; at_now < to;) {
    const Ns next = std::min(to, (at_now / slot_ + 1) * slot_);
    SlotUsage& slot = at(view, at_now);
    slot.amount += static_cast<u128>(value) * static_cast<u128>(next - at_now);
    slot.peak = std::max(slot.peak, value);
    at_now = next;
  }
}

void Spreader::cover(View& view, Ns from, Ns to, bool estimated) {
  const auto each_slot = [&](Ns a, Ns b, Ns SlotUsage::*field) {
    while (a < b) {
      const Ns next = std::min(b, (a / slot_ + 1) * slot_);
      at(view, a).*field += next - a;
      a = next;
    }
  };
  view.covered.add(from, to, [&](Ns a, Ns b) { each_slot(a, b, &SlotUsage::covered); });
  if (!estimated) return;
  view.estimated.add(from, to, [&](Ns a, Ns b) { each_slot(a, b, &SlotUsage::estimated); });
}

void Spreader::settle() {
  for (View* view : dirty_) {
    flush(*view);
    view->dirty = false;
  }
  dirty_.clear();
}

void Spreader::take(std::vector<Derived::Contribution>& usage) {
  settle();
  usage = std::move(done_);
  done_.clear();
}

}  // namespace tallyman::rater::fold
