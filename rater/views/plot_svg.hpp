#pragma once
// A plot as inline SVG. Pure; colours are the page's CSS classes, every text is escaped.

#include <string>
#include <vector>

#include "rater/views/local_time.hpp"
#include "rater/views/plot.hpp"

namespace tallyman::rater {

/// A level drawn across the plot.
struct PlotRule {
  std::string css;    ///< class: "billed" or "included"
  std::string label;  ///< "95th percentile 812 Mbit/s"
  std::string value;  ///< decimal, in the plot's unit
};

/// `until`: where a running period's figures end; the rest stays empty.
[[nodiscard]] std::string plot_svg(const Plot& plot, const std::string& zone, const Span& span,
                                   const std::vector<PlotRule>& rules);

/// Text that is safe within HTML, in an attribute as between tags: & < > " ' and what is no
/// printable UTF-8 become references or U+FFFD.
[[nodiscard]] std::string html_escape(const std::string& text);

/// "▁▂▅█": one sign for each of `width` stretches of the first line's peaks; "·" where nothing is
/// known.
[[nodiscard]] std::string sparkline(const PlotLine& line, std::size_t width);

}  // namespace tallyman::rater
