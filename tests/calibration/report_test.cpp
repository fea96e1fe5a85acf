// What a report shows: plots as SVG text, numbers with their digits, long tables folded.
#include "calibration/report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <regex>

#include "calibration/svg_plot.hpp"

namespace attojoule::calibration {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

PlotSeries line(const std::string& name, const std::vector<double>& x,
                const std::vector<double>& y) {
  return {name, x, y, {}, PlotSeries::Kind::line};
}

std::size_t count_of(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

TEST(SvgPlot, ticks_are_short_and_the_unit_says_of_what) {
  const auto svg = [](const std::string& x_label, double x, const std::string& y_label, double y,
                      bool log_y = false, double ratio = 2) {
    return svg_of({"t", x_label, y_label, false, log_y, {line("a", {x, 2 * x}, {y, ratio * y})}});
  };
  EXPECT_THAT(svg("f [Hz]", 1e10, "S [V^2/Hz]", 3e-15), HasSubstr(">f [GHz]<"));
  EXPECT_THAT(svg("f [Hz]", 1e10, "S [V^2/Hz]", 3e-15), HasSubstr(">S [10⁻¹⁵ V²/Hz]<"));
  EXPECT_THAT(svg("f [Hz]", 1e10, "S [V^2/Hz]", 3e-15), Not(HasSubstr("e-15<")));
  EXPECT_THAT(svg("I [A]", 1e-5, "T [1]", 0.3), HasSubstr(">I [µA]<"));
  EXPECT_THAT(svg("I [A]", 1e-5, "T [1]", 0.3), HasSubstr(">T<"));
  // Levels stay as they are, and numbers that are short anyway.
  EXPECT_THAT(svg("V [V]", 3, "L [dBm]", -60), HasSubstr(">L [dBm]<"));
  EXPECT_THAT(svg("V [V]", 3, "L [dBm]", -60), HasSubstr(">V [V]<"));
  // Neighbours far from zero are told apart.
  const std::string far =
      svg_of({"t", "f [Hz]", "T [1]", false, false, {line("a", {193.4e12, 193.402e12}, {0, 1})}});
  EXPECT_THAT(far, HasSubstr(">193.4005<"));
  // Decades: powers of ten where there are many, numbers and lines between where there are few.
  EXPECT_THAT(svg("V [V]", 3, "P [W]", 1e-9, true, 1e5), HasSubstr(">10⁻⁷<"));
  const std::string few = svg("V [V]", 3, "P [W]", 1e-5, true, 20);
  EXPECT_THAT(few, HasSubstr(">20<"));
  EXPECT_THAT(few, HasSubstr(">P [µW]<"));
  EXPECT_GT(count_of(few, "#eee"), 5U);
}

TEST(SvgPlot, a_list_of_names_goes_down_the_page_and_none_is_cut) {
  std::vector<std::string> names;
  PlotSeries points{"b - a", {}, {}, {}, PlotSeries::Kind::points};
  for (int k = 1; k <= 30; ++k) {
    names.push_back("receiver.amplifier_current_noise_" + std::to_string(k));
    points.x.push_back(k);
    points.y.push_back(0.1 * k);
    points.error.push_back(1);
  }
  const std::string svg = svg_of({"Differences", "", "difference", false, false, {points}, names});
  std::smatch height;
  ASSERT_TRUE(std::regex_search(svg, height, std::regex("height=\"([0-9.]+)\"")));
  const double bottom = std::stod(height[1]);
  EXPECT_GT(bottom, 30 * 20);
  for (const std::string& name : names) {
    std::smatch at;
    ASSERT_TRUE(std::regex_search(
        svg, at,
        std::regex("<text x=\"([0-9.]+)\" y=\"([0-9.]+)\" text-anchor=\"end\">" + name + "<")))
        << name;
    // About 7 units a character, to the left of its end.
    EXPECT_GT(std::stod(at[1]) - 7.0 * static_cast<double>(name.size()), 0) << name;
    EXPECT_LT(std::stod(at[2]), bottom - 30) << name;
  }
  EXPECT_EQ(count_of(svg, "<circle"), 30U);
}

TEST(SvgPlot, one_name_is_one_entry_and_entries_stay_on_the_page) {
  std::vector<PlotSeries> many;
  for (int k = 0; k < 12; ++k) {
    many.push_back(line("measurement " + std::to_string(k), {0, 1}, {0, 1.0 * k}));
  }
  many.push_back(line("95 %", {0, 1}, {1, 2}));
  many.push_back(line("95 %", {0, 1}, {3, 4}));
  const std::string svg = svg_of({"A title of some length", "x", "y", false, false, many});
  EXPECT_EQ(count_of(svg, ">95 %<"), 1U);
  const std::regex entry("<text x=\"([0-9.]+)\" y=\"[0-9.]+\" fill=\"#[0-9A-F]+\">([^<]*)<");
  int entries = 0;
  for (auto at = std::sregex_iterator(svg.begin(), svg.end(), entry); at != std::sregex_iterator();
       ++at, ++entries) {
    EXPECT_LT(std::stod((*at)[1]) + 7.0 * static_cast<double>((*at)[2].length()), 640) << (*at)[2];
  }
  EXPECT_EQ(entries, 13);
}

TEST(SvgPlot, a_narrow_line_among_very_many_points_is_drawn) {
  std::vector<double> x, y;
  for (int i = 0; i < 200000; ++i) {
    x.push_back(i);
    y.push_back(i == 77777 ? 0 : 1);
  }
  const std::string svg = svg_of({"t", "x", "y", false, false, {line("fit", x, y)}});
  EXPECT_LT(svg.size(), 60000U);
  // The bottom of the axis is 0 less 5 %: the dip reaches down to 5/110 of the height above it.
  std::smatch points;
  ASSERT_TRUE(std::regex_search(svg, points, std::regex("points=\"([^\"]*)\"")));
  double lowest = 0;
  std::istringstream numbers(points[1]);
  for (std::string pair; numbers >> pair;) {
    lowest = std::max(lowest, std::stod(pair.substr(pair.find(',') + 1)));
  }
  EXPECT_NEAR(lowest, 348 - 314 * 0.05 / 1.1, 1);
  // And of points that fill the plot no more than it has room for.
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = std::fmod(0.618034 * static_cast<double>(i), 1);
  const std::string dots = svg_of({"t", "x", "y", false, false, {{"a", x, y, {}}}});
  EXPECT_LT(dots.size(), 700000U);
  EXPECT_GT(count_of(dots, "h0"), 10000U);
}

TEST(Report, numbers_have_the_digits_that_their_uncertainty_leaves) {
  CalibrationResult result;
  result.kind = "test";
  result.parameters = {{"b", "V^2/Hz", 1.32e-14, 5.8e-16, 0, 1.2e-14, 1.4e-14, ""},
                       {"q", "1", 53314, 87, 0, 53144, 53484, ""},
                       {"level", "dB", -150, 0.02, 0, -150.04, -149.96, ""}};
  result.covariance_a = result.covariance_b = Eigen::MatrixXd::Zero(3, 3);
  // Nobody gave an uncertainty of it, nor is one missing.
  result.figures = {{"probability", "1", 0.25, not_known, 0, not_known, not_known, ""}};
  const std::string html = report_html(result);
  EXPECT_THAT(html, HasSubstr(">1.320e-14<"));
  EXPECT_THAT(html, HasSubstr(">V²/Hz<"));
  EXPECT_THAT(html, HasSubstr(">53314<"));
  EXPECT_THAT(html, HasSubstr(">-150.000<"));
  for (const char* u : {">5.8e-16<", ">87<", ">0.020<", ">0<"}) EXPECT_THAT(html, HasSubstr(u));
  EXPECT_THAT(html, Not(HasSubstr("not known")));
  result.tables = {{"curve", {{"m", "1", std::vector<double>(500, 1.0)}}}};
  EXPECT_THAT(report_html(result), HasSubstr("<details><summary>500 rows</summary>"));
  EXPECT_THAT(html, Not(HasSubstr("<details>")));
}

}  // namespace
}  // namespace attojoule::calibration
