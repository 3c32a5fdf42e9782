#include "rater/views/plot_svg.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <optional>

namespace tallyman::rater {

namespace {

constexpr double kWidth = 760, kHeight = 230, kLeft = 64, kRight = 10, kTop = 14, kBottom = 26;

/// For drawing only.
double number(const std::string& decimal) { return std::strtod(decimal.c_str(), nullptr); }

/// 1, 2 or 5 times a power of ten, so that some four of them reach `top`.
double step_of(double top) {
  const double raw = top / 4, power = std::pow(10, std::floor(std::log10(raw)));
  for (const double times : {1.0, 2.0, 5.0}) {
    if (raw <= times * power) return times * power;
  }
  return 10 * power;
}

struct Frame {
  Span span;
  double top = 1;  ///< the value at the upper edge

  [[nodiscard]] double x(Ns at) const {
    const double part =
        static_cast<double>(at - span.from) / static_cast<double>(span.to - span.from);
    return kLeft + std::clamp(part, 0.0, 1.0) * (kWidth - kLeft - kRight);
  }
  [[nodiscard]] double y(double value) const {
    return kHeight - kBottom - std::min(value / top, 1.0) * (kHeight - kTop - kBottom);
  }
};

std::string axes(const Frame& frame, const std::string& zone, const std::string& unit) {
  std::string out;
  const double step = step_of(frame.top);
  for (double value = 0; value <= frame.top * 1.0001; value += step) {
    const double y = frame.y(value);
    out += fmt::format(R"(<line class="grid" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>)",
                       kLeft, kWidth - kRight, y, y);
    out +=
        fmt::format(R"(<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="end">{:.6g}</text>)",
                    kLeft - 8, y + 4, value);
  }
  out += fmt::format(R"(<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="end">{}</text>)",
                     kLeft - 8, kHeight - 7, html_escape(unit));
  for (const LocalTick& tick : local_ticks(zone, frame.span)) {
    const double x = frame.x(tick.at);
    if (x > kWidth - kRight - 30) continue;
    out += fmt::format(R"(<line class="mark" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>)", x,
                       x, kHeight - kBottom, kHeight - kBottom + 5);
    out += fmt::format(R"(<text class="tick" x="{:.1f}" y="{:.1f}">{}</text>)", x, kHeight - 7,
                       html_escape(tick.label));
  }
  return out;
}

/// Stretches of which nothing is known, as shaded bars.
std::string unknown(const Frame& frame, const Plot& plot) {
  std::string out;
  const auto known = [&](std::size_t i) {
    return std::any_of(plot.lines.begin(), plot.lines.end(), [&](const PlotLine& line) {
      return i < line.points.size() && !line.points[i].peak.empty();
    });
  };
  std::size_t many = 0;
  for (const PlotLine& line : plot.lines) many = std::max(many, line.points.size());
  for (std::size_t i = 0; i < many;) {
    if (known(i)) {
      ++i;
      continue;
    }
    const std::size_t first = i;
    while (i < many && !known(i)) ++i;
    const double a = frame.x(plot.from + static_cast<Ns>(first) * plot.step);
    const double b = frame.x(plot.from + static_cast<Ns>(i) * plot.step);
    out += fmt::format(
        R"(<rect class="unknown" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>)", a, kTop,
        std::max(b - a, 1.0), kHeight - kTop - kBottom);
  }
  return out;
}

/// Steps, each bucket as high as its highest slot; filled down to zero.
std::string line_path(const Frame& frame, const Plot& plot, const PlotLine& line, std::size_t n) {
  std::string edge, area;
  const double zero = frame.y(0);
  bool open = false;
  double last = 0;
  for (std::size_t i = 0; i < line.points.size(); ++i) {
    const double a = frame.x(plot.from + static_cast<Ns>(i) * plot.step);
    const double b = frame.x(plot.from + static_cast<Ns>(i + 1) * plot.step);
    if (line.points[i].peak.empty()) {
      if (open) area += fmt::format("V{:.1f}Z", zero);
      open = false;
      continue;
    }
    const double y = frame.y(number(line.points[i].peak));
    if (!open) {
      edge += fmt::format("M{:.1f} {:.1f}H{:.1f}", a, y, b);
      area += fmt::format("M{:.1f} {:.1f}V{:.1f}H{:.1f}", a, zero, y, b);
    } else {
      if (std::abs(y - last) > 0.05)
        edge += fmt::format("V{:.1f}", y), area += fmt::format("V{:.1f}", y);
      edge += fmt::format("H{:.1f}", b);
      area += fmt::format("H{:.1f}", b);
    }
    open = true;
    last = y;
  }
  if (open) area += fmt::format("V{:.1f}Z", zero);
  return fmt::format(R"(<path class="area s{0}" d="{1}"/><path class="edge s{0}" d="{2}"/>)", n % 2,
                     area, edge);
}

std::string rule_lines(const Frame& frame, std::vector<PlotRule> rules) {
  std::string out;
  // The highest one's label stands above its line, all others below theirs: they never meet.
  std::stable_sort(rules.begin(), rules.end(), [](const PlotRule& a, const PlotRule& b) {
    return number(a.value) > number(b.value);
  });
  bool above = true;
  for (const PlotRule& rule : rules) {
    const double value = number(rule.value);
    if (value > frame.top) continue;
    const double y = frame.y(value);
    out += fmt::format(R"(<line class="rule {}" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>)",
                       rule.css, kLeft, kWidth - kRight, y, y);
    const double label = above && y - 5 >= kTop + 8 ? y - 5 : y + 14;
    above = false;
    out +=
        fmt::format(R"(<text class="label {}" x="{:.1f}" y="{:.1f}" text-anchor="end">{}</text>)",
                    rule.css, kWidth - kRight - 4, label, html_escape(rule.label));
  }
  return out;
}

double highest(const Plot& plot, const std::vector<PlotRule>& rules) {
  double top = 0;
  for (const PlotLine& line : plot.lines) {
    for (const PlotPoint& point : line.points) top = std::max(top, number(point.peak));
  }
  const double used = top;
  // A level far above all usage would flatten it: it is told in words then.
  for (const PlotRule& rule : rules) {
    const double value = number(rule.value);
    if (used == 0 || value <= used * 4) top = std::max(top, value);
  }
  return top > 0 ? top * 1.08 : 1;
}

}  // namespace

std::string plot_svg(const Plot& plot, const std::string& zone, const Span& span,
                     const std::vector<PlotRule>& rules) {
  if (span.from >= span.to) return "";
  const Frame frame{span, highest(plot, rules)};
  std::string out =
      fmt::format(R"(<svg class="plot" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}">)",
                  kWidth, kHeight, html_escape("usage over time in " + plot.unit));
  out += axes(frame, zone, plot.unit) + unknown(frame, plot);
  for (std::size_t i = 0; i < plot.lines.size(); ++i) {
    out += line_path(frame, plot, plot.lines[i], i);
  }
  return out + rule_lines(frame, rules) + "</svg>";
}

std::string html_escape(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\'') {
      out += "&#39;";
    } else if (c < 0x20 || c == 0x7f) {
      out += ' ';
    } else if (c < 0x80) {
      out += text[i];
    } else {
      const std::size_t more = c >= 0xf0 && c < 0xf5   ? 3
                               : c >= 0xe0 && c < 0xf0 ? 2
                               : c >= 0xc2 && c < 0xe0 ? 1
                                                       : 0;
      bool whole = more > 0 && i + more < text.size();
      for (std::size_t k = 1; whole && k <= more; ++k) {
        whole = (static_cast<unsigned char>(text[i + k]) & 0xc0U) == 0x80;
      }
      out += whole ? text.substr(i, more + 1) : "\xef\xbf\xbd";
      if (whole) i += more;
    }
  }
  return out;
}

std::string sparkline(const PlotLine& line, std::size_t width) {
  constexpr std::array kBars = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  double top = 0;
  for (const PlotPoint& point : line.points) top = std::max(top, number(point.peak));
  std::string out;
  const std::size_t many = line.points.size();
  const std::size_t cells = std::min(width, many);
  for (std::size_t cell = 0; cell < cells; ++cell) {
    std::optional<double> peak;
    for (std::size_t i = cell * many / cells; i < (cell + 1) * many / cells; ++i) {
      if (line.points[i].peak.empty()) continue;
      peak = std::max(peak.value_or(0), number(line.points[i].peak));
    }
    if (!peak) {
      out += "·";
      continue;
    }
    const double part = top > 0 ? *peak / top : 0;
    out += kBars[std::min<std::size_t>(static_cast<std::size_t>(part * 8), 7)];
  }
  return out;
}

}  // namespace tallyman::rater
