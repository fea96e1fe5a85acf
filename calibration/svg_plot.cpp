#include "calibration/svg_plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <string_view>
#include <utility>

namespace attojoule::calibration {
namespace {

constexpr double width = 640, right = 16, bottom = 52, line_height = 16;
// Okabe and Ito's colours, told apart by colour-blind readers as well.
constexpr std::array<const char*, 6> colours{"#0072B2", "#D55E00", "#009E73",
                                             "#CC79A7", "#E69F00", "#000000"};

// Where the axes are on the page.
struct Frame {
  double left = 86, top = 34, height = 400;
  double right_edge() const { return width - right; }
  double bottom_edge() const { return height - bottom; }
};

struct Axis {
  double low = 0, high = 1;
  bool log = false;
  double begin = 0, length = 1;  // on the page

  double scaled(double v) const { return log ? std::log10(v) : v; }
  bool shows(double v) const { return std::isfinite(v) && (!log || v > 0); }
  double at(double v) const { return begin + length * (scaled(v) - low) / (high - low); }
  double value(double scaled_value) const {
    return log ? std::pow(10, scaled_value) : scaled_value;
  }
  double decades() const { return log ? high - low : 0; }
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
  return axis;
}

struct Tick {
  double value;
  std::string label;  // empty: a line only
};

std::string superscript(const std::string& digits) {
  static constexpr std::array<const char*, 10> raised{"⁰", "¹", "²", "³", "⁴",
                                                      "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string text;
  for (const char c : digits) text += c == '-' ? "⁻" : raised[static_cast<std::size_t>(c - '0')];
  return text;
}

std::string power_of_ten(int exponent) {
  return "10" + superscript(std::to_string(exponent));
}

// Decades that have ticks of their own; on fewer, ticks are as on a linear axis.
constexpr double few_decades = 1;
// Decades over which numbers are read more easily than powers of ten.
constexpr double readable_decades = 3;

// What the axis' numbers are divided by, and its label with the unit that this makes.
struct Scale {
  int exponent = 0;
  std::string label;
};

Scale scale_of(const Axis& axis, const std::string& label) {
  const auto open = label.rfind(" [");
  if (open == std::string::npos || !label.ends_with("]")) return {0, with_superscripts(label)};
  const std::string name = label.substr(0, open);
  const std::string unit = label.substr(open + 2, label.size() - open - 3);
  const auto labelled = [&](const std::string& of) {
    return of.empty() ? with_superscripts(name) : with_superscripts(name + " [" + of + "]");
  };
  const std::string plain = unit == "1" ? "" : unit;
  const bool level = unit.starts_with("dB");
  if (level || axis.decades() > readable_decades) return {0, labelled(plain)};
  const double largest = std::max(std::abs(axis.value(axis.low)), std::abs(axis.value(axis.high)));
  if (!(largest > 0)) return {0, labelled(plain)};
  const int thousands = static_cast<int>(std::floor(std::log10(largest) / 3));
  static constexpr std::string_view prefixes = "fpnum kMGTP";
  constexpr int first_prefix = -5;
  constexpr std::array<std::string_view, 10> simple{"Hz", "s", "A", "W",   "V",
                                                    "m",  "F", "J", "ohm", "C"};
  const int at = thousands - first_prefix;
  if (std::find(simple.begin(), simple.end(), unit) != simple.end() && at >= 0 &&
      at < static_cast<int>(prefixes.size())) {
    const char prefix = prefixes[static_cast<std::size_t>(at)];
    if (prefix == ' ') return {0, labelled(plain)};
    return {3 * thousands, labelled((prefix == 'u' ? "µ" : std::string(1, prefix)) + unit)};
  }
  // Numbers that stay short without a power of ten.
  if (largest >= 1e-2 && largest < 1e5) return {0, labelled(plain)};
  return {3 * thousands,
          labelled(power_of_ten(3 * thousands) + (plain.empty() ? "" : " " + plain))};
}

std::vector<Tick> logarithmic_ticks(const Axis& axis, int exponent) {
  std::vector<Tick> ticks;
  const double decades = axis.decades();
  const int step = static_cast<int>(std::ceil(decades / 7));
  for (int e = static_cast<int>(std::floor(axis.low)); e <= axis.high; ++e) {
    for (int digit = 1; digit <= 9; ++digit) {
      const double value = digit * std::pow(10, e);
      if (axis.scaled(value) < axis.low || axis.scaled(value) > axis.high) continue;
      const bool named = digit == 1 ? e % step == 0 : decades <= 2 && (digit == 2 || digit == 5);
      if (!named && digit > 1 && step > 1) continue;
      std::string label;
      if (named) {
        label = decades > readable_decades
                    ? power_of_ten(e)
                    : fmt::format("{:.6g}", digit * std::pow(10, e - exponent));
      }
      ticks.push_back({value, label});
    }
  }
  return ticks;
}

std::vector<Tick> ticks_of(const Axis& axis, int exponent) {
  if (axis.decades() > few_decades) return logarithmic_ticks(axis, exponent);
  std::vector<Tick> ticks;
  const double divisor = std::pow(10, exponent);
  const double low = axis.value(axis.low) / divisor, high = axis.value(axis.high) / divisor;
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
    ticks.push_back({value * divisor, fmt::format("{:.{}g}", value, digits)});
  }
  return ticks;
}

// Of very many points one for every two by two pixels. Error bars go: they would be a black band.
PlotSeries thinned_points(const PlotSeries& series, const Axis& x, const Axis& y) {
  std::map<std::pair<int, int>, std::size_t> shown;  // pixel -> the first point there
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    if (!x.shows(series.x[i]) || !y.shows(series.y[i])) continue;
    shown.emplace(std::pair{static_cast<int>(0.5 * x.at(series.x[i])),
                            static_cast<int>(0.5 * y.at(series.y[i]))},
                  i);
  }
  std::vector<std::size_t> kept;
  kept.reserve(shown.size());
  for (const auto& [pixel, i] : shown) kept.push_back(i);
  std::sort(kept.begin(), kept.end());
  PlotSeries few{series.name, {}, {}, {}, series.kind};
  for (const std::size_t i : kept) {
    few.x.push_back(series.x[i]);
    few.y.push_back(series.y[i]);
  }
  return few;
}

// Of a line with very many points the first, least, greatest and last of every run within a pixel.
PlotSeries thinned_line(const PlotSeries& series, const Axis& x, const Axis& y) {
  PlotSeries few{series.name, {}, {}, {}, series.kind};
  std::vector<std::size_t> run;
  int column = std::numeric_limits<int>::min();
  const auto flush = [&] {
    if (run.empty()) return;
    const auto by_y = [&](std::size_t a, std::size_t b) { return series.y[a] < series.y[b]; };
    const auto [least, most] = std::minmax_element(run.begin(), run.end(), by_y);
    std::vector<std::size_t> kept{run.front(), *least, *most, run.back()};
    std::sort(kept.begin(), kept.end());
    kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
    for (const std::size_t i : kept) {
      few.x.push_back(series.x[i]);
      few.y.push_back(series.y[i]);
    }
    run.clear();
  };
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    if (!x.shows(series.x[i]) || !y.shows(series.y[i])) continue;
    const int here = static_cast<int>(x.at(series.x[i]));
    if (here != column) flush();
    column = here;
    run.push_back(i);
  }
  flush();
  return few;
}

PlotSeries thinned(const PlotSeries& series, const Axis& x, const Axis& y) {
  constexpr std::size_t most_points = 6000, most_of_line = 2000;
  if (series.kind == PlotSeries::Kind::line) {
    return series.x.size() > most_of_line ? thinned_line(series, x, y) : series;
  }
  return series.x.size() > most_points ? thinned_points(series, x, y) : series;
}

// Width of a text of the plots' font, and a little more.
double text_width(const std::string& text, double per_character = 7) {
  double characters = 0;
  for (const char c : text) characters += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1 : 0;
  return per_character * characters;
}

struct Legend {
  std::vector<std::string> names;
  std::vector<std::size_t> entry_of;  // of every series
  // Entries of every line, the first one in the title's line if it fits there.
  std::vector<std::vector<std::size_t>> lines;
  bool beside_title = true;

  static double width_of(const std::string& name) { return text_width(name) + 30; }
  const char* colour(std::size_t series) const {
    return colours[entry_of[series] % colours.size()];
  }
};

Legend legend_of(const Plot& plot, double left) {
  Legend legend;
  for (const PlotSeries& series : plot.series) {
    const auto at = std::find(legend.names.begin(), legend.names.end(), series.name);
    legend.entry_of.push_back(static_cast<std::size_t>(at - legend.names.begin()));
    if (at == legend.names.end()) legend.names.push_back(series.name);
  }
  if (legend.names.size() < 2) return legend;
  double all = 0;
  for (const std::string& name : legend.names) all += Legend::width_of(name);
  legend.beside_title = left + text_width(plot.title, 8.5) + 20 + all <= width - right;
  double used = 0;
  for (std::size_t k = 0; k < legend.names.size(); ++k) {
    const double own = Legend::width_of(legend.names[k]);
    if (legend.lines.empty() || used + own > width - right - left) {
      legend.lines.emplace_back();
      used = 0;
    }
    legend.lines.back().push_back(k);
    used += own;
  }
  return legend;
}

std::string text_at(double x, double y, const char* anchor, const std::string& text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor,
                     html_escaped(text));
}

std::string draw(const Legend& legend, const Frame& frame) {
  std::string svg;
  for (std::size_t l = 0; l < legend.lines.size(); ++l) {
    double total = 0;
    for (const std::size_t k : legend.lines[l]) total += Legend::width_of(legend.names[k]);
    // In the title's line, or under it, where it covers no data.
    double at = legend.beside_title ? frame.right_edge() - total : frame.left;
    const double y = 20 + line_height * (static_cast<double>(l) + (legend.beside_title ? 0 : 1));
    for (const std::size_t k : legend.lines[l]) {
      const char* colour = colours[k % colours.size()];
      svg += fmt::format(
          "<rect x=\"{0:.1f}\" y=\"{1:.1f}\" width=\"10\" height=\"10\" fill=\"{2}\"/>"
          "<text x=\"{3:.1f}\" y=\"{4:.1f}\" fill=\"{2}\">{5}</text>\n",
          at, y - 9, colour, at + 15, y, html_escaped(legend.names[k]));
      at += Legend::width_of(legend.names[k]);
    }
  }
  return svg;
}

struct Page {
  Frame frame;
  Axis across, down;  // what goes to the right and upwards
  bool rows = false;  // the abscissa's names go down

  double across_at(double x, double y) const { return rows ? across.at(y) : across.at(x); }
  double down_at(double x, double y) const { return rows ? down.at(x) : down.at(y); }
  const Axis& of_x() const { return rows ? down : across; }
  const Axis& of_y() const { return rows ? across : down; }
};

std::string draw(const PlotSeries& series, const Page& page, const char* colour, bool one_of_two) {
  std::string svg;
  const Axis &x = page.of_x(), &y = page.of_y();
  if (series.kind == PlotSeries::Kind::line) {
    std::string points;
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      if (!x.shows(series.x[i]) || !y.shows(series.y[i])) continue;
      points += fmt::format("{:.2f},{:.2f} ", page.across_at(series.x[i], series.y[i]),
                            page.down_at(series.x[i], series.y[i]));
    }
    return fmt::format(
        "<polyline fill=\"none\" stroke=\"{}\" {} points=\"{}\"/>\n", colour,
        one_of_two ? "stroke-width=\"1\" stroke-dasharray=\"5 3\"" : "stroke-width=\"1.5\"",
        points);
  }
  constexpr std::size_t many = 2000;
  if (series.kind == PlotSeries::Kind::points && series.x.size() > many && series.error.empty()) {
    // One path of dots: a tenth of the text of as many circles.
    std::string dots;
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      if (!x.shows(series.x[i]) || !y.shows(series.y[i])) continue;
      dots += fmt::format("M{:.1f} {:.1f}h0", page.across_at(series.x[i], series.y[i]),
                          page.down_at(series.x[i], series.y[i]));
    }
    return fmt::format(
        "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2.4\" "
        "stroke-linecap=\"round\"/>\n",
        dots, colour);
  }
  const char* radius = series.x.size() > 200 ? "1.2" : series.x.size() > 60 ? "2" : "3";
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    if (!x.shows(series.x[i]) || !y.shows(series.y[i])) continue;
    const double px = page.across_at(series.x[i], series.y[i]);
    const double py = page.down_at(series.x[i], series.y[i]);
    if (series.kind == PlotSeries::Kind::crosses) {
      svg += fmt::format(
          "<path d=\"M{:.1f} {:.1f} l8 8 m0 -8 l-8 8\" stroke=\"{}\" stroke-width=\"1.8\"/>\n",
          px - 4, py - 4, colour);
      continue;
    }
    if (i < series.error.size() && series.error[i] > 0 && std::isfinite(series.error[i])) {
      const double low = series.y[i] - series.error[i], high = series.y[i] + series.error[i];
      if (y.shows(low) && y.shows(high)) {
        const double from = std::clamp(y.at(low), std::min(y.begin, y.begin + y.length),
                                       std::max(y.begin, y.begin + y.length));
        const double to = std::clamp(y.at(high), std::min(y.begin, y.begin + y.length),
                                     std::max(y.begin, y.begin + y.length));
        svg += fmt::format(
            "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\" "
            "stroke-opacity=\"0.6\"/>\n",
            page.rows ? from : px, page.rows ? py : from, page.rows ? to : px, page.rows ? py : to,
            colour);
      }
    }
    svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\" fill=\"{}\"/>\n", px, py,
                       radius, colour);
  }
  return svg;
}

const char* grid_colour(const Axis& axis, const Tick& tick) {
  if (tick.label.empty()) return "#eee";
  return !axis.log && tick.value == 0 ? "#999" : "#ddd";
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

std::string with_superscripts(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool sign = text[i] == '^' && i + 1 < text.size() && text[i + 1] == '-';
    const auto is_digit = [&](std::size_t k) {
      return k < text.size() && text[k] >= '0' && text[k] <= '9';
    };
    if (text[i] != '^' || !is_digit(i + (sign ? 2 : 1))) {
      result += text[i];
      continue;
    }
    std::size_t end = i + (sign ? 2 : 1);
    while (is_digit(end)) ++end;
    // A power such as 2.5 or 3/2 is no whole number, and stays as it is written.
    if (end < text.size() && text[end] == '.' && is_digit(end + 1)) {
      result += text.substr(i, end - i);
    } else {
      result += superscript(text.substr(i + 1, end - i - 1));
    }
    i = end - 1;
  }
  return result;
}

std::string svg_of(const Plot& plot) {
  Page page;
  page.rows = !plot.rows.empty();
  Frame& frame = page.frame;
  constexpr double row_height = 26;
  if (page.rows) {
    double longest = 0;
    for (const std::string& name : plot.rows) longest = std::max(longest, text_width(name));
    frame.left = std::clamp(longest + 16, 60.0, 0.6 * width);
  }
  const Legend legend = legend_of(plot, frame.left);
  if (!legend.beside_title) {
    frame.top += line_height * static_cast<double>(legend.lines.size());
  } else if (legend.lines.size() > 1) {
    frame.top += line_height * static_cast<double>(legend.lines.size() - 1);
  }
  frame.height = page.rows ? frame.top + bottom + row_height * static_cast<double>(plot.rows.size())
                           : 366 + frame.top;
  page.across = make_axis(plot, !page.rows);
  page.down = make_axis(plot, page.rows);
  const double x0 = frame.left, x1 = frame.right_edge(), y0 = frame.bottom_edge(), y1 = frame.top;
  page.across.begin = x0;
  page.across.length = x1 - x0;
  page.down.begin = y0;
  page.down.length = y1 - y0;
  if (page.rows) {
    page.down.low = static_cast<double>(plot.rows.size()) + 0.6;
    page.down.high = 0.4;
  }
  const Scale across = scale_of(page.across, page.rows ? plot.y_label : plot.x_label);
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n"
      "<text x=\"{2}\" y=\"20\" font-size=\"14\" font-weight=\"bold\">{3}</text>\n",
      width, frame.height, frame.left, html_escaped(plot.title));
  for (const Tick& tick : ticks_of(page.across, across.exponent)) {
    const double at = page.across.at(tick.value);
    svg +=
        fmt::format("<line x1=\"{0:.1f}\" y1=\"{1}\" x2=\"{0:.1f}\" y2=\"{2}\" stroke=\"{3}\"/>\n",
                    at, y0, y1, grid_colour(page.across, tick));
    if (!tick.label.empty()) svg += text_at(at, y0 + 16, "middle", tick.label);
  }
  svg += text_at((x0 + x1) / 2, frame.height - 14, "middle", across.label);
  std::vector<Tick> down;
  if (page.rows) {
    for (std::size_t k = 0; k < plot.rows.size(); ++k) {
      down.push_back({static_cast<double>(k + 1), plot.rows[k]});
    }
  } else {
    const Scale scale = scale_of(page.down, plot.y_label);
    down = ticks_of(page.down, scale.exponent);
    svg += fmt::format(
        "<text transform=\"translate(16,{}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
        (y0 + y1) / 2, html_escaped(scale.label));
  }
  for (const Tick& tick : down) {
    const double at = page.down.at(tick.value);
    svg +=
        fmt::format("<line x1=\"{1}\" y1=\"{0:.1f}\" x2=\"{2}\" y2=\"{0:.1f}\" stroke=\"{3}\"/>\n",
                    at, x0, x1, page.rows ? "#ddd" : grid_colour(page.down, tick));
    if (!tick.label.empty()) svg += text_at(x0 - 6, at + 4, "end", tick.label);
  }
  svg += fmt::format(
      "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"black\"/>\n", x0,
      y1, x1 - x0, y0 - y1);
  for (std::size_t s = 0; s < plot.series.size(); ++s) {
    // The two ends of a band stand back behind what lies between them.
    svg += draw(thinned(plot.series[s], page.of_x(), page.of_y()), page, legend.colour(s),
                std::count(legend.entry_of.begin(), legend.entry_of.end(), legend.entry_of[s]) > 1);
  }
  return svg + draw(legend, frame) + "</svg>\n";
}

}  // namespace attojoule::calibration
