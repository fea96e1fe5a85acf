#include "calibration/svg_plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

namespace attojoule::calibration {
namespace {

constexpr double width = 640, height = 400, left = 86, right = 16, top = 34, bottom = 52;
// Okabe and Ito's colours, told apart by colour-blind readers as well.
constexpr std::array<const char*, 6> colours{"#0072B2", "#D55E00", "#009E73",
                                             "#CC79A7", "#E69F00", "#000000"};

struct Axis {
  double low = 0, high = 1;
  bool log = false;
  double begin = 0, length = 1;  // on the page

  double scaled(double v) const { return log ? std::log10(v) : v; }
  bool shows(double v) const { return std::isfinite(v) && (!log || v > 0); }
  double at(double v) const { return begin + length * (scaled(v) - low) / (high - low); }
};

Axis make_axis(const Plot& plot, bool is_x) {
  Axis axis;
  axis.log = is_x ? plot.log_x : plot.log_y;
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const PlotSeries& series : plot.series) {
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      if (!std::isfinite(series.x[i]) || !std::isfinite(series.y[i])) continue;
      const double v = is_x ? series.x[i] : series.y[i];
      if (!axis.shows(v)) continue;
      double spread = 0;
      if (!is_x && i < series.error.size() && std::isfinite(series.error[i]) && !axis.log) {
        spread = series.error[i];
      }
      low = std::min(low, axis.scaled(v) - spread);
      high = std::max(high, axis.scaled(v) + spread);
    }
  }
  if (!(low <= high)) {
    low = 0;
    high = 1;
  }
  double margin = 0.05 * (high - low);
  if (!(margin > 0)) margin = low != 0 ? 0.1 * std::abs(low) : 0.5;
  axis.low = low - margin;
  axis.high = high + margin;
  axis.begin = is_x ? left : height - bottom;
  axis.length = is_x ? width - left - right : -(height - top - bottom);
  return axis;
}

struct Tick {
  double value;
  std::string label;
};

std::vector<Tick> ticks_of(const Axis& axis) {
  std::vector<Tick> ticks;
  if (axis.log && axis.high - axis.low > 1) {
    const double step = std::ceil((axis.high - axis.low) / 7);
    for (double e = std::ceil(axis.low); e <= axis.high; e += step) {
      ticks.push_back({std::pow(10, e), fmt::format("1e{}", static_cast<int>(e))});
    }
    return ticks;
  }
  const double low = axis.log ? std::pow(10, axis.low) : axis.low;
  const double high = axis.log ? std::pow(10, axis.high) : axis.high;
  const double raw = (high - low) / 6;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double nice : {1.0, 2.0, 5.0}) {
    if (nice * power >= raw) {
      step = nice * power;
      break;
    }
  }
  // As many digits as tell neighbours apart: a sweep of gigahertz lies at hundreds of terahertz.
  const double largest = std::max(std::abs(low), std::abs(high));
  const int digits = std::clamp(static_cast<int>(std::ceil(std::log10(largest / step))) + 1, 6, 15);
  for (double v = std::ceil(low / step) * step; v <= high * (1 + 1e-12); v += step) {
    const double value = std::abs(v) < 1e-9 * step ? 0 : v;
    ticks.push_back({value, fmt::format("{:.{}g}", value, digits)});
  }
  return ticks;
}

}  // namespace

std::string html_escaped(const std::string& text) {
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

namespace {

// Of very many points one for each pixel (two high). Error bars go: they would be a black band.
PlotSeries thinned(const PlotSeries& series, const Axis& x, const Axis& y) {
  constexpr std::size_t most = 6000;
  if (series.x.size() <= most) return series;
  std::map<std::pair<int, int>, std::size_t> shown;  // pixel -> the first point there
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    if (!x.shows(series.x[i]) || !y.shows(series.y[i])) continue;
    shown.emplace(
        std::pair{static_cast<int>(x.at(series.x[i])), static_cast<int>(0.5 * y.at(series.y[i]))},
        i);
  }
  std::vector<std::size_t> kept;
  for (const auto& [pixel, i] : shown) kept.push_back(i);
  std::sort(kept.begin(), kept.end());
  PlotSeries few{series.name, {}, {}, {}, series.kind};
  for (const std::size_t i : kept) {
    few.x.push_back(series.x[i]);
    few.y.push_back(series.y[i]);
  }
  return few;
}

}  // namespace

namespace {

// A label in lines that fit under the plot, broken at ", ".
std::vector<std::string> lines_of(const std::string& label) {
  constexpr std::size_t longest = 95;  // characters of 12 pixels over the plot's width
  std::vector<std::string> lines{""};
  std::string rest = label;
  while (!rest.empty()) {
    const auto comma = rest.find(", ");
    const std::string part = rest.substr(0, comma == std::string::npos ? comma : comma + 2);
    if (!lines.back().empty() && lines.back().size() + part.size() > longest) lines.emplace_back();
    lines.back() += part;
    rest.erase(0, part.size());
  }
  return lines;
}

}  // namespace

std::string svg_of(const Plot& full) {
  Plot plot = full;
  constexpr double line_height = 15;
  const std::vector<std::string> label = lines_of(plot.x_label);
  const double whole = height + line_height * static_cast<double>(label.size() - 1);
  const Axis x = make_axis(plot, true), y = make_axis(plot, false);
  for (PlotSeries& series : plot.series) series = thinned(series, x, y);
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n"
      "<text x=\"{2}\" y=\"20\" font-size=\"14\" font-weight=\"bold\">{3}</text>\n",
      width, whole, left, html_escaped(plot.title));
  const double x0 = left, x1 = width - right, y0 = height - bottom, y1 = top;
  for (const Tick& tick : ticks_of(x)) {
    const double at = x.at(tick.value);
    svg += fmt::format(
        "<line x1=\"{0:.1f}\" y1=\"{1}\" x2=\"{0:.1f}\" y2=\"{2}\" stroke=\"#ddd\"/>"
        "<text x=\"{0:.1f}\" y=\"{3}\" text-anchor=\"middle\">{4}</text>\n",
        at, y0, y1, y0 + 16, tick.label);
  }
  for (const Tick& tick : ticks_of(y)) {
    const double at = y.at(tick.value);
    svg += fmt::format(
        "<line x1=\"{1}\" y1=\"{0:.1f}\" x2=\"{2}\" y2=\"{0:.1f}\" stroke=\"#ddd\"/>"
        "<text x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5}</text>\n",
        at, x0, x1, x0 - 6, at + 4, tick.label);
  }
  svg += fmt::format(
      "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"black\"/>\n", x0,
      y1, x1 - x0, y0 - y1);
  for (std::size_t k = 0; k < label.size(); ++k) {
    svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", (x0 + x1) / 2,
                       height - 14 + line_height * static_cast<double>(k), html_escaped(label[k]));
  }
  svg += fmt::format(
      "<text transform=\"translate(16,{}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
      (y0 + y1) / 2, html_escaped(plot.y_label));
  for (std::size_t s = 0; s < plot.series.size(); ++s) {
    const PlotSeries& series = plot.series[s];
    const char* colour = colours[s % colours.size()];
    if (series.kind == PlotSeries::Kind::line) {
      std::string points;
      for (std::size_t i = 0; i < series.x.size(); ++i) {
        if (!x.shows(series.x[i]) || !y.shows(series.y[i])) continue;
        points += fmt::format("{:.2f},{:.2f} ", x.at(series.x[i]), y.at(series.y[i]));
      }
      svg += fmt::format(
          "<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\" points=\"{}\"/>\n", colour,
          points);
      continue;
    }
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      if (!x.shows(series.x[i]) || !y.shows(series.y[i])) continue;
      const double px = x.at(series.x[i]), py = y.at(series.y[i]);
      if (series.kind == PlotSeries::Kind::crosses) {
        svg += fmt::format(
            "<path d=\"M{:.1f} {:.1f} l8 8 m0 -8 l-8 8\" stroke=\"{}\" stroke-width=\"1.8\"/>\n",
            px - 4, py - 4, colour);
        continue;
      }
      if (i < series.error.size() && series.error[i] > 0 && std::isfinite(series.error[i])) {
        const double low = series.y[i] - series.error[i], high = series.y[i] + series.error[i];
        if (y.shows(low) && y.shows(high)) {
          svg += fmt::format(
              "<line x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\" stroke=\"{3}\" "
              "stroke-opacity=\"0.6\"/>\n",
              px, std::clamp(y.at(low), y1, y0), std::clamp(y.at(high), y1, y0), colour);
        }
      }
      svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\" fill=\"{}\"/>\n", px, py,
                         series.x.size() > 200 ? "1.2" : "3", colour);
    }
  }
  if (plot.series.size() > 1) {
    // In the title's line, where it covers no data.
    double at = x1;
    for (std::size_t s = plot.series.size(); s-- > 0;) {
      const std::string name = html_escaped(plot.series[s].name);
      at -= 7.0 * static_cast<double>(plot.series[s].name.size()) + 6;
      svg += fmt::format("<text x=\"{:.1f}\" y=\"20\" fill=\"{}\">{}</text>\n", at,
                         colours[s % colours.size()], name);
      at -= 16;
      svg += fmt::format("<rect x=\"{:.1f}\" y=\"11\" width=\"10\" height=\"10\" fill=\"{}\"/>\n",
                         at, colours[s % colours.size()]);
      at -= 8;
    }
  }
  return svg + "</svg>\n";
}

}  // namespace attojoule::calibration
