#include "calibration/export_formats.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

using testing::HasSubstr;

CalibratedValues two() {
  CalibratedValues c;
  c.name = "two";
  c.kind = "test";
  Estimate first, second;
  first.name = "detector.responsivity";
  first.unit = "A/W";
  first.value = 0.93798;
  first.u_a = 0.0009;
  first.u_b = 0.02815;
  second.name = "noise";
  second.unit = "A/sqrt(Hz)";
  second.value = 2.0936e-12;
  second.u_a = 1.16e-14;
  c.values = {first, second};
  c.covariance_a = (Eigen::Matrix2d() << 0.0009 * 0.0009, 0, 0, 1.16e-14 * 1.16e-14).finished();
  c.covariance_b = (Eigen::Matrix2d() << 0.02815 * 0.02815, 0, 0, 0).finished();
  const double cross = 0.7 * std::sqrt(c.covariance()(0, 0)) * 1.16e-14;
  c.covariance_a(0, 1) = c.covariance_a(1, 0) = cross;
  return c;
}

TEST(ExportFormats, values_are_written_with_the_digits_that_mean_something) {
  EXPECT_EQ(concise(0.93798, 0.02815), "0.938(29)");
  EXPECT_EQ(concise(2.0936e-12, 1.16e-14), "2.094(12)e-12");
  EXPECT_EQ(concise(12000.4, 14), "12000(14)");
  EXPECT_EQ(concise(123.44, 1.2), "123.4(1.2)");
  EXPECT_EQ(concise(0.5, 0.0999), "0.50(10)");
  EXPECT_EQ(concise(-3.2006, 0.0104), "-3.201(11)");
  EXPECT_EQ(concise(1550, 0), "1550");
  EXPECT_EQ(concise(0.001, 0.5), "0.00(50)");
  EXPECT_EQ(concise(3.185875e6, 6698), "3.1859(67)e6");
}

TEST(ExportFormats, every_format_has_every_value) {
  const CalibratedValues values = two();
  for (const char* format : {"csv", "json", "markdown", "latex", "python", "matlab"}) {
    const std::string text = exported(values, format);
    EXPECT_THAT(text, HasSubstr(format == std::string("latex") ? "detector.responsivity" : "noise"))
        << format;
    EXPECT_THAT(text, testing::AnyOf(HasSubstr("0.93798"), HasSubstr("0.938(29)"))) << format;
  }
  EXPECT_THAT(exported(values, "latex"), HasSubstr("$2.094(12)\\times 10^{-12}$"));
  EXPECT_THROW(exported(values, "xml"), ConfigError);
  CalibratedValues none;
  none.name = "none";
  EXPECT_THROW(exported(none, "csv"), ConfigError);
  EXPECT_THROW(drawn_csv(none, 1, 1), ConfigError);
}

TEST(ExportFormats, draws_have_the_mean_and_the_covariance) {
  const CalibratedValues values = two();
  constexpr int count = 20000;
  std::istringstream lines(drawn_csv(values, count, 7));
  std::string line;
  for (int k = 0; k < 3; ++k) std::getline(lines, line);
  EXPECT_EQ(line, "detector.responsivity [A/W],noise [A/sqrt(Hz)]");
  Eigen::Vector2d mean = Eigen::Vector2d::Zero();
  Eigen::Matrix2d squares = Eigen::Matrix2d::Zero();
  const Eigen::Vector2d u = values.covariance().diagonal().cwiseSqrt();
  int read = 0;
  while (std::getline(lines, line)) {
    double a = 0, b = 0;
    ASSERT_EQ(std::sscanf(line.c_str(), "%lf,%lf", &a, &b), 2);
    const Eigen::Vector2d z((a - 0.93798) / u(0), (b - 2.0936e-12) / u(1));
    mean += z / count;
    squares += z * z.transpose() / count;
    ++read;
  }
  EXPECT_EQ(read, count);
  for (int k = 0; k < 2; ++k) {
    EXPECT_NEAR(mean(k), 0, 5 / std::sqrt(double(count)));
    EXPECT_NEAR(squares(k, k), 1, 5 * std::sqrt(2.0 / count));
  }
  EXPECT_NEAR(squares(0, 1), 0.7, 5 * std::sqrt((1 + 0.49) / count));
  EXPECT_EQ(drawn_csv(values, 5, 7), drawn_csv(values, 5, 7));
  EXPECT_NE(drawn_csv(values, 5, 7), drawn_csv(values, 5, 8));
}

// No LaTeX is installed for the tests: what would break there is looked for in the text.
TEST(ExportFormats, latex_of_odd_units_names_and_long_lists) {
  CalibratedValues values;
  values.name = values.input.path = "job_1/result.json";
  const std::vector<std::pair<std::string, std::string>> named{
      {"i_n", "A/sqrt(Hz)"}, {"a", "V^2/Hz"},         {"r", "kohm"}, {"K", "DN/e-"},
      {"duty", "%"},         {"x{y}~z\\w^2&#$", "W"}, {"t", "s^-1"}, {"none", "1"}};
  for (int k = 0; k < 90; ++k) {
    const auto& [name, unit] = named[static_cast<std::size_t>(k) % named.size()];
    values.values.push_back({name, unit, k == 7 ? not_known : 1.5, 0.1, 0, 1, 2, ""});
  }
  values.covariance_a = values.covariance_b =
      Eigen::MatrixXd::Zero(static_cast<Eigen::Index>(values.values.size()),
                            static_cast<Eigen::Index>(values.values.size()));
  const std::string text = exported(values, "latex");
  for (const char* part :
       {"\\texttt{i\\_n} & $1.50(10)$ & A/$\\sqrt{\\mathrm{Hz}}$ \\\\", "& V$^{2}$/Hz \\\\",
        "& k$\\Omega$ \\\\", "& DN/e$^{-}$ \\\\", "& \\% \\\\", "& s$^{-1}$ \\\\",
        "\\texttt{none} & not known &  \\\\",
        "x\\{y\\}\\textasciitilde{}z\\textbackslash{}w\\textasciicircum{}2\\&\\#\\$"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  // Ninety rows on three pages, each row of two columns' separators, braces in pairs.
  std::istringstream lines(text);
  std::string line;
  int begun = 0, rows = 0, longest = 0;
  while (std::getline(lines, line)) {
    if (line.starts_with("%")) continue;
    if (line.starts_with("\\begin")) {
      ++begun;
      rows = 0;
    }
    longest = std::max(longest, rows += line.starts_with("\\texttt") ? 1 : 0);
    int depth = 0, dollars = 0, cells = 0;
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (line[i] == '\\') {
        ++i;
        continue;
      }
      depth += line[i] == '{' ? 1 : line[i] == '}' ? -1 : 0;
      dollars += line[i] == '$' ? 1 : 0;
      cells += line[i] == '&' ? 1 : 0;
      ASSERT_GE(depth, 0) << line;
      ASSERT_TRUE(line[i] != '_' && line[i] != '#') << line;
    }
    EXPECT_EQ(depth, 0) << line;
    EXPECT_EQ(dollars % 2, 0) << line;
    const bool is_row = line.starts_with("\\texttt") || line.starts_with("parameter");
    EXPECT_EQ(cells, is_row ? 2 : 0) << line;
  }
  EXPECT_EQ(begun, 3);
  EXPECT_EQ(longest, 40);
}

}  // namespace
}  // namespace attojoule::calibration
