#include "calibration/expression.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

double value_of(const std::string& text, double x = 0, double y = 0) {
  const Expression e = Expression::parse(text, "test");
  return e.evaluate([&](const std::string& name) { return name == "x" ? x : y; });
}

TEST(Expression, has_the_precedence_of_a_textbook) {
  EXPECT_EQ(value_of("1 + 2 * 3"), 7);
  EXPECT_EQ(value_of("(1 + 2) * 3"), 9);
  EXPECT_EQ(value_of("10 - 2 - 3"), 5);
  EXPECT_EQ(value_of("16 / 4 / 2"), 2);
  EXPECT_EQ(value_of("-2^2"), -4);
  EXPECT_EQ(value_of("2^-2"), 0.25);
  EXPECT_EQ(value_of("2^3^2"), 512);
  EXPECT_EQ(value_of("(-3)^3"), -27);
  EXPECT_DOUBLE_EQ(value_of("2^0.5"), std::sqrt(2.0));
  EXPECT_EQ(value_of("1e-3 + .5"), 0.501);
  EXPECT_EQ(value_of("- x + +y", 2, 3), 1);
  EXPECT_DOUBLE_EQ(value_of("sin(pi / 2) + cos(0) + log10(100) + log(exp(2)) + sqrt(9)"), 9);
  EXPECT_DOUBLE_EQ(value_of("softplus(0) + tanh(0) + atan(1)"),
                   std::numbers::ln2 + std::numbers::pi / 4);
  EXPECT_EQ(value_of("q_e"), 1.602176634e-19);
}

TEST(Expression, derivatives_are_exact) {
  const Expression e = Expression::parse(
      "sqrt(x) * exp(-y / 3) + x^3 / (1 + y^2) + softplus(x - y) + log10(x)^2.5", "test");
  ASSERT_THAT(e.names(), ElementsAre("x", "y"));
  const Dual at[] = {Dual(1.7, 0), Dual(0.6, 1)};
  const Dual f = e.evaluate(at);
  for (std::size_t k = 0; k < 2; ++k) {
    double up[] = {1.7, 0.6}, down[] = {1.7, 0.6};
    up[k] += 1e-6;
    down[k] -= 1e-6;
    EXPECT_NEAR(f.d[k], (e.evaluate(up) - e.evaluate(down)) / 2e-6, 1e-8);
  }
}

TEST(Expression, text_reads_back_to_the_same_value) {
  for (const char* text : {"x - (y - 2) - 3", "x / (y / 2) * 3", "-(x + y)^3", "2^(x + y)",
                           "(x + 1)^-2 * -y", "softplus((x - y) / 0.1) - -3", "x - -y"}) {
    const Expression e = Expression::parse(text, "test");
    EXPECT_DOUBLE_EQ(value_of(e.text(), 1.25, 0.7), value_of(text, 1.25, 0.7)) << e.text();
  }
  EXPECT_EQ(Expression::parse("noise.b^2 * softplus(x)", "test").python(),
            "noise_b**2 * np.logaddexp(0, x)");
}

TEST(Expression, substitution_puts_formulas_in_place_of_names_and_drops_what_is_neutral) {
  const Expression e = Expression::parse("a * 10^(-loss / 10) * x / (1 + a * b) + c", "test");
  const Expression s = e.substituted({{"loss", Expression::number(0)},
                                      {"b", Expression::number(0)},
                                      {"c", Expression::parse("u + v", "test")}});
  EXPECT_EQ(s.text(), "a * x + u + v");
  EXPECT_THAT(s.names(), ElementsAre("a", "x", "u", "v"));
}

TEST(Expression, errors_say_where) {
  for (const auto& [text, part] : std::vector<std::pair<std::string, std::string>>{
           {"", "ends too early at position 1"},
           {"1 +", "ends too early"},
           {"(x", "a ) is missing"},
           {"x)", "')' at position 2"},
           {"2 x", "'x' at position 3"},
           {"sinh(x)", "no function is called 'sinh'"},
           {"x ** 2", "a power is written ^"},
           {"x $ y", "'$'"},
           {std::string(300, '('), "too many parentheses"},
           {std::string(300, '-'), "too many signs"}}) {
    try {
      Expression::parse(text, "job.yaml:3:2");
      ADD_FAILURE() << text;
    } catch (const ConfigError& error) {
      EXPECT_THAT(error.what(), HasSubstr(part));
      EXPECT_THAT(error.what(), HasSubstr("job.yaml:3:2"));
    }
  }
}

}  // namespace
}  // namespace attojoule::calibration
