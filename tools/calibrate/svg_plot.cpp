#include "tools/calibrate/svg_plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "tools/text_table.hpp"

namespace attojoule::tools {
namespace {

constexpr double width = 680, height = 360, left = 78, right = 18, top = 34, bottom = 48;
constexpr std::size_t most_points = 1500;
// Colours that people with any colour vision tell apart (Okabe and Ito).
constexpr std::array colours = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"};

struct Axis {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  bool logarithmic = false;
  double from = 0, to = 1;  // on the page

  bool shows(double value) const { return std::isfinite(value) && (!logarithmic || value > 0); }
  double scaled(double value) const { return logarithmic ? std::log10(value) : value; }
  void include(double value) {
    if (!shows(value)) return;
    low = std::min(low, scaled(value));
    high = std::max(high, scaled(value));
  }
  void finish() {
    if (!(low <= high)) {
      low = 0;
      high = 1;
    }
    double margin = 0.04 * (high - low);
    if (!(margin > 0)) margin = high != 0 ? 0.05 * std::abs(high) : 1;
    low -= margin;
    high += margin;
  }
  double at(double value) const {
    return from + (scaled(value) - low) / (high - low) * (to - from);
  }

  // Values of the marks.
  std::vector<double> marks() const {
    std::vector<double> result;
    if (logarithmic && high - low > 1) {
      const double step = std::max(1.0, std::ceil((high - low) / 8));
      for (double power = std::ceil(low); power <= high; power += step) {
        result.push_back(std::pow(10.0, power));
      }
      return result;
    }
    const double raw = (high - low) / 6;
    const double decade = std::pow(10.0, std::floor(std::log10(raw)));
    double step = decade;
    for (const double factor : {1.0, 2.0, 5.0, 10.0}) {
      step = factor * decade;
      if (step >= raw) break;
    }
    for (double value = std::ceil(low / step) * step; value <= high; value += step) {
      // A mark at zero comes out as 1e-17.
      const double clean = std::abs(value) < step * 1e-9 ? 0 : value;
      result.push_back(logarithmic ? std::pow(10.0, clean) : clean);
    }
    return result;
  }
};

// Indices of at most about most_points points that look the same.
std::vector<std::size_t> thinned(const PlotSeries& series) {
  const std::size_t n = std::min(series.x.size(), series.y.size());
  std::vector<std::size_t> kept;
  if (n <= most_points) {
    for (std::size_t i = 0; i < n; ++i) kept.push_back(i);
    return kept;
  }
  const std::size_t bins = most_points / 2;
  for (std::size_t bin = 0; bin < bins; ++bin) {
    const std::size_t first = bin * n / bins, end = (bin + 1) * n / bins;
    std::size_t least = first, greatest = first;
    for (std::size_t i = first; i < end; ++i) {
      if (series.y[i] < series.y[least]) least = i;
      if (series.y[i] > series.y[greatest]) greatest = i;
    }
    kept.push_back(std::min(least, greatest));
    if (least != greatest) kept.push_back(std::max(least, greatest));
  }
  return kept;
}

}  // namespace

std::string html_text(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string svg_plot(const Plot& plot) {
  Axis x, y;
  x.logarithmic = plot.log_x;
  y.logarithmic = plot.log_y;
  for (const auto& series : plot.series) {
    for (std::size_t i = 0; i < std::min(series.x.size(), series.y.size()); ++i) {
      if (!x.shows(series.x[i]) || !y.shows(series.y[i])) continue;
      x.include(series.x[i]);
      y.include(series.y[i]);
      if (i < series.error.size() && std::isfinite(series.error[i])) {
        y.include(series.y[i] - series.error[i]);
        y.include(series.y[i] + series.error[i]);
      }
    }
  }
  x.finish();
  y.finish();
  x.from = left;
  x.to = width - right;
  y.from = height - bottom;
  y.to = top;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" font-family=\"sans-serif\" font-size=\"12\">\n<text x=\"{2}\" y=\"18\" "
      "font-size=\"14\">{3}</text>\n",
      width, height, left, html_text(plot.title));
  for (const double mark : x.marks()) {
    const double at = x.at(mark);
    svg += fmt::format(
        "<line x1=\"{0:.1f}\" y1=\"{1}\" x2=\"{0:.1f}\" y2=\"{2}\" stroke=\"#ddd\"/><text "
        "x=\"{0:.1f}\" y=\"{3}\" text-anchor=\"middle\">{4}</text>\n",
        at, y.to, y.from, y.from + 16, significant(mark, 4));
  }
  for (const double mark : y.marks()) {
    const double at = y.at(mark);
    svg += fmt::format(
        "<line x1=\"{0}\" y1=\"{1:.1f}\" x2=\"{2}\" y2=\"{1:.1f}\" stroke=\"#ddd\"/><text "
        "x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5}</text>\n",
        x.from, at, x.to, x.from - 6, at + 4, significant(mark, 4));
  }
  svg += fmt::format(
      "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"#444\"/>\n",
      x.from, y.to, x.to - x.from, y.from - y.to);
  svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                     (x.from + x.to) / 2, height - 10, html_text(plot.x_label));
  svg += fmt::format(
      "<text transform=\"translate(14 {:.1f}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
      (y.from + y.to) / 2, html_text(plot.y_label));
  for (std::size_t k = 0; k < plot.series.size(); ++k) {
    const PlotSeries& series = plot.series[k];
    const char* colour = colours[k % colours.size()];
    std::string path;
    for (const std::size_t i : thinned(series)) {
      if (!x.shows(series.x[i]) || !y.shows(series.y[i])) continue;
      const double px = x.at(series.x[i]), py = y.at(series.y[i]);
      if (series.line) {
        path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : " L", px, py);
        continue;
      }
      if (i < series.error.size() && std::isfinite(series.error[i])) {
        const double low = series.y[i] - series.error[i];
        const double bottom_end = y.shows(low) ? y.at(low) : y.from;
        svg += fmt::format(
            "<line x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\" stroke=\"{3}\"/>",
            px, bottom_end, y.at(series.y[i] + series.error[i]), colour);
      }
      svg +=
          fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2\" fill=\"{}\"/>", px, py, colour);
    }
    if (!path.empty()) {
      svg += fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\"/>", path,
                         colour);
    }
    if (!series.label.empty()) {
      const double row = top + 16 + 16 * static_cast<double>(k);
      svg += fmt::format(
          "\n<rect x=\"{}\" y=\"{}\" width=\"12\" height=\"4\" fill=\"{}\"/><text x=\"{}\" "
          "y=\"{}\">{}</text>",
          width - right - 190, row - 5, colour, width - right - 172, row, html_text(series.label));
    }
    svg += '\n';
  }
  return svg + "</svg>\n";
}

}  // namespace attojoule::tools
