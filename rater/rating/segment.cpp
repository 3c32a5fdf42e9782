#include "rater/rating/segment.hpp"

#include <algorithm>

namespace tallyman::rater {

namespace {

Piece part_of(const Piece& piece, const Span& span) {
  const Ns from = std::max(piece.from, span.from), to = std::min(piece.to, span.to);
  if (from == piece.from && to == piece.to) return piece;
  const Ns length = piece.to - piece.from;
  const auto share = [&](u128 whole) {
    return share_of(whole, from - piece.from, to - piece.from, length);
  };
  const auto ns = [&](Ns whole) { return static_cast<Ns>(share(static_cast<u128>(whole))); };
  Piece part = piece;
  part.from = from;
  part.to = to;
  part.amount = share(piece.amount);
  part.estimated = ns(piece.covered - piece.absent);
  part.absent = ns(piece.absent);
  part.covered = part.estimated + part.absent;
  return part;
}

OwnedSeries cut(const OwnedSeries& series, const std::vector<Span>& spans) {
  OwnedSeries out;
  out.key = series.key;
  out.resolution = series.resolution;
  out.views = series.views;
  out.mbit = series.mbit;
  out.runs = cut_runs(series.runs, spans);
  for (const Span& span : spans) {
    for (const Span& held : series.held) {
      const Span part{std::max(held.from, span.from), std::min(held.to, span.to)};
      if (part.from >= part.to) continue;
      if (!out.held.empty() && out.held.back().to == part.from) {
        out.held.back().to = part.to;
      } else {
        out.held.push_back(part);
      }
    }
  }
  auto span = spans.begin();
  for (const Piece& piece : series.pieces) {
    while (span != spans.end() && span->to <= piece.from) ++span;
    for (auto at = span; at != spans.end() && at->from < piece.to; ++at) {
      const Piece part = part_of(piece, *at);
      if (part.covered > 0 || part.amount > 0) out.pieces.push_back(part);
    }
  }
  return out;
}

void cut_all(const std::vector<const OwnedSeries*>& all, const std::vector<Span>& spans,
             std::vector<OwnedSeries>& out, std::vector<const OwnedSeries*>& view) {
  out.reserve(all.size());
  for (const OwnedSeries* series : all) {
    OwnedSeries part = cut(*series, spans);
    if (!part.held.empty()) out.push_back(std::move(part));
  }
  for (const OwnedSeries& series : out) view.push_back(&series);
}

}  // namespace

CutInput::CutInput(const MeterInput& input, const std::vector<Span>& spans) {
  cut_all(input.in, spans, in_, view_.in);
  cut_all(input.out, spans, out_, view_.out);
  view_.errors = input.errors;
}

}  // namespace tallyman::rater
