#include "calibration/expression.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <numbers>
#include <utility>

#include "photonics/constants.hpp"
#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

constexpr std::array known_constants{
    std::pair{"pi", std::numbers::pi}, std::pair{"q_e", photonics::constants::elementary_charge_c},
    std::pair{"h_planck", photonics::constants::planck_j_s},
    std::pair{"c_light", photonics::constants::speed_of_light_m_per_s},
    std::pair{"k_boltzmann", photonics::constants::boltzmann_j_per_k}};

template <class T>
T whole_power(T base, long exponent) {
  T result(1);
  for (long n = std::abs(exponent); n > 0; n /= 2) {
    if (n % 2 == 1) result = result * base;
    base = base * base;
  }
  return exponent < 0 ? T(1) / result : result;
}

}  // namespace

// Recursive descent; emits postfix steps.
struct Expression::Parser {
  const std::string& text;
  const std::string& place;
  std::size_t at = 0;
  int nesting = 0;
  Expression result;

  [[noreturn]] void fail(const std::string& problem) const {
    throw ConfigError(
        fmt::format("{}: formula \"{}\": {} at position {} (numbers, names, + - * / ^, parentheses "
                    "and sqrt exp "
                    "log log10 sin cos atan tanh softplus make one). Correct it.",
                    place, text, problem, at + 1));
  }
  void blanks() {
    while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at])) != 0) ++at;
  }
  bool take(char c) {
    blanks();
    if (at >= text.size() || text[at] != c) return false;
    ++at;
    return true;
  }
  void emit(Op op) { result.steps_.push_back({op, 0, 0}); }

  void sum() {
    if (++nesting > 40) fail("too many parentheses");
    product();
    for (;;) {
      if (take('+')) {
        product();
        emit(Op::add);
      } else if (take('-')) {
        product();
        emit(Op::subtract);
      } else {
        break;
      }
    }
    --nesting;
  }
  void product() {
    factor();
    for (;;) {
      if (take('*')) {
        if (at < text.size() && text[at] == '*') fail("** (a power is written ^)");
        factor();
        emit(Op::multiply);
      } else if (take('/')) {
        factor();
        emit(Op::divide);
      } else {
        break;
      }
    }
  }
  void factor() {
    if (++nesting > 60) fail("too many signs");
    if (take('-')) {
      factor();
      emit(Op::negate);
    } else if (take('+')) {
      factor();
    } else {
      power();
    }
    --nesting;
  }
  void power() {
    primary();
    if (!take('^')) return;
    const std::size_t before = result.steps_.size();
    factor();
    // A whole constant exponent, with its sign: exact for any base.
    const auto& steps = result.steps_;
    const bool negated = steps.size() == before + 2 && steps.back().op == Op::negate;
    if (steps[before].op == Op::number && (steps.size() == before + 1 || negated) &&
        steps[before].value == std::floor(steps[before].value) && steps[before].value <= 64) {
      const double exponent = negated ? -steps[before].value : steps[before].value;
      result.steps_.resize(before);
      result.steps_.push_back({Op::whole_power, exponent, 0});
    } else {
      emit(Op::power);
    }
  }
  void primary() {
    blanks();
    if (at >= text.size()) fail("it ends too early");
    const char c = text[at];
    if (take('(')) {
      sum();
      if (!take(')')) fail("a ) is missing");
      return;
    }
    if (std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '.') {
      char* end = nullptr;
      const double value = std::strtod(text.c_str() + at, &end);
      const auto length = static_cast<std::size_t>(end - (text.c_str() + at));
      if (length == 0 || !std::isfinite(value)) fail("no number");
      at += length;
      result.steps_.push_back({Op::number, value, 0});
      return;
    }
    if (std::isalpha(static_cast<unsigned char>(c)) == 0 && c != '_') {
      fail(fmt::format("'{}'", c));
    }
    std::size_t end = at;
    while (end < text.size() && (std::isalnum(static_cast<unsigned char>(text[end])) != 0 ||
                                 text[end] == '_' || text[end] == '.')) {
      ++end;
    }
    const std::string word = text.substr(at, end - at);
    const std::size_t start = at;
    at = end;
    if (take('(')) {
      static const std::map<std::string, Op> functions{
          {"sqrt", Op::sqrt},   {"exp", Op::exp},   {"log", Op::log},
          {"log10", Op::log10}, {"sin", Op::sin},   {"cos", Op::cos},
          {"atan", Op::atan},   {"tanh", Op::tanh}, {"softplus", Op::softplus}};
      const auto found = functions.find(word);
      if (found == functions.end()) {
        at = start;
        fail(fmt::format("no function is called '{}'", word));
      }
      sum();
      if (!take(')')) fail("a ) is missing");
      emit(found->second);
      return;
    }
    for (const auto& [constant, value] : known_constants) {
      if (word == constant) {
        result.steps_.push_back({Op::number, value, 0});
        return;
      }
    }
    result.steps_.push_back({Op::name, 0, result.index_of(word)});
  }
};

Expression::Expression() : steps_{{Op::number, 0, 0}} {}

Expression Expression::number(double value) {
  Expression e;
  e.steps_[0].value = value;
  return e;
}

Expression Expression::name(const std::string& name) {
  Expression e;
  e.steps_[0] = {Op::name, 0, e.index_of(name)};
  return e;
}

Expression Expression::parse(const std::string& text, const std::string& place) {
  Parser parser{text, place, 0, 0, {}};
  parser.result.steps_.clear();
  if (text.size() > 4000) parser.fail("more than 4000 characters");
  parser.sum();
  parser.blanks();
  if (parser.at < text.size()) parser.fail(fmt::format("'{}'", text[parser.at]));
  // The stack that it needs.
  std::size_t depth = 0, most = 0;
  for (const Step& step : parser.result.steps_) {
    if (step.op == Op::number || step.op == Op::name) {
      most = std::max(most, ++depth);
    } else if (step.op >= Op::add && step.op <= Op::divide) {
      --depth;
    } else if (step.op == Op::power) {
      --depth;
    }
  }
  if (most > max_depth / 2) parser.fail("too deep");
  return parser.result;
}

bool Expression::uses(const std::string& name) const {
  return std::find(names_.begin(), names_.end(), name) != names_.end();
}

std::size_t Expression::index_of(const std::string& name) {
  const auto found = std::find(names_.begin(), names_.end(), name);
  if (found != names_.end()) return static_cast<std::size_t>(found - names_.begin());
  names_.push_back(name);
  return names_.size() - 1;
}

void Expression::append(const Expression& other) {
  for (Step step : other.steps_) {
    if (step.op == Op::name) step.name = index_of(other.names_[step.name]);
    steps_.push_back(step);
  }
}

template <class T>
T Expression::evaluate(const T* values) const {
  using std::atan;
  using std::cos;
  using std::exp;
  using std::log;
  using std::pow;
  using std::sin;
  using std::sqrt;
  using std::tanh;
  std::array<T, max_depth> stack;
  std::size_t n = 0;
  for (const Step& step : steps_) {
    switch (step.op) {
      case Op::number:
        stack[n++] = T(step.value);
        break;
      case Op::name:
        stack[n++] = values[step.name];
        break;
      case Op::add:
        --n;
        stack[n - 1] = stack[n - 1] + stack[n];
        break;
      case Op::subtract:
        --n;
        stack[n - 1] = stack[n - 1] - stack[n];
        break;
      case Op::multiply:
        --n;
        stack[n - 1] = stack[n - 1] * stack[n];
        break;
      case Op::divide:
        --n;
        stack[n - 1] = stack[n - 1] / stack[n];
        break;
      case Op::power:
        --n;
        stack[n - 1] = pow(stack[n - 1], stack[n]);
        break;
      case Op::negate:
        stack[n - 1] = -stack[n - 1];
        break;
      case Op::whole_power:
        stack[n - 1] = whole_power(stack[n - 1], static_cast<long>(step.value));
        break;
      case Op::sqrt:
        stack[n - 1] = sqrt(stack[n - 1]);
        break;
      case Op::exp:
        stack[n - 1] = exp(stack[n - 1]);
        break;
      case Op::log:
        stack[n - 1] = log(stack[n - 1]);
        break;
      case Op::log10:
        stack[n - 1] = log(stack[n - 1]) / T(std::numbers::ln10);
        break;
      case Op::sin:
        stack[n - 1] = sin(stack[n - 1]);
        break;
      case Op::cos:
        stack[n - 1] = cos(stack[n - 1]);
        break;
      case Op::atan:
        stack[n - 1] = atan(stack[n - 1]);
        break;
      case Op::tanh:
        stack[n - 1] = tanh(stack[n - 1]);
        break;
      case Op::softplus:
        stack[n - 1] = softplus(stack[n - 1]);
        break;
    }
  }
  return stack[0];
}

template double Expression::evaluate(const double*) const;
template long double Expression::evaluate(const long double*) const;
template Dual Expression::evaluate(const Dual*) const;

double Expression::evaluate(const std::function<double(const std::string&)>& value_of) const {
  std::vector<double> values;
  for (const std::string& name : names_) values.push_back(value_of(name));
  return evaluate(values.data());
}

Expression Expression::substituted(const std::map<std::string, Expression>& formulas) const {
  Expression result;
  result.steps_.clear();
  for (const Step& step : steps_) {
    if (step.op != Op::name) {
      result.steps_.push_back(step);
      continue;
    }
    const std::string& name = names_[step.name];
    const auto found = formulas.find(name);
    result.append(found == formulas.end() ? Expression::name(name) : found->second);
  }
  result.simplify();
  return result;
}

// Operations on numbers are done, and neutral ones (+ 0, * 1) removed: what a kind's standard
// values leave of its formula.
void Expression::simplify() {
  struct Part {
    std::vector<Step> steps;
    bool is(double value) const {
      return steps.size() == 1 && steps[0].op == Op::number && steps[0].value == value;
    }
    bool is_number() const { return steps.size() == 1 && steps[0].op == Op::number; }
  };
  std::vector<Part> stack;
  const auto computed = [](const std::vector<Step>& steps) {
    Expression e;
    e.steps_ = steps;
    return Step{Op::number, e.evaluate(static_cast<const double*>(nullptr)), 0};
  };
  for (const Step& step : steps_) {
    if (step.op == Op::number || step.op == Op::name) {
      stack.push_back({{step}});
      continue;
    }
    const bool binary = (step.op >= Op::add && step.op <= Op::divide) || step.op == Op::power;
    Part b;
    if (binary) {
      b = stack.back();
      stack.pop_back();
    }
    Part& a = stack.back();
    const bool numbers = a.is_number() && (!binary || b.is_number());
    if (!numbers && ((step.op == Op::add && a.is(0)) || (step.op == Op::multiply && a.is(1)))) {
      a = b;
      continue;
    }
    if (!numbers && step.op == Op::multiply && (a.is(0) || b.is(0))) {
      a.steps = {{Op::number, 0, 0}};
      continue;
    }
    if (!numbers && (((step.op == Op::add || step.op == Op::subtract) && b.is(0)) ||
                     ((step.op == Op::multiply || step.op == Op::divide) && b.is(1)))) {
      continue;
    }
    a.steps.insert(a.steps.end(), b.steps.begin(), b.steps.end());
    a.steps.push_back(step);
    if (numbers) a.steps = {computed(a.steps)};
  }
  // Names that are gone need no values any more.
  Expression shorter;
  shorter.steps_.clear();
  for (Step step : stack.back().steps) {
    if (step.op == Op::name) step.name = shorter.index_of(names_[step.name]);
    shorter.steps_.push_back(step);
  }
  *this = shorter;
}

std::string Expression::rendered(bool python) const {
  struct Part {
    std::string text;
    int rank;  // 1 sum, 2 product, 3 sign, 4 power, 5 primary
  };
  std::vector<Part> stack;
  const auto inside = [](const Part& part, int least) {
    return part.rank >= least ? part.text : "(" + part.text + ")";
  };
  const auto binary = [&](const char* op, int rank, int left, int right) {
    const Part b = stack.back();
    stack.pop_back();
    const Part a = stack.back();
    stack.back() = {inside(a, left) + op + inside(b, right), rank};
  };
  const char* raised = python ? "**" : "^";
  const auto call = [&](const char* function, const char* numpy) {
    stack.back() = {fmt::format("{}({})", python ? numpy : function, stack.back().text), 5};
  };
  for (const Step& step : steps_) {
    switch (step.op) {
      case Op::number: {
        std::string text =
            python ? fmt::format("{:.17g}", step.value) : fmt::format("{:.6g}", step.value);
        for (const auto& [name, value] : known_constants) {
          if (!python && step.value == value) text = name;
        }
        stack.push_back({text, step.value < 0 ? 3 : 5});
        break;
      }
      case Op::name: {
        std::string name = names_[step.name];
        if (python) std::replace(name.begin(), name.end(), '.', '_');
        stack.push_back({name, 5});
        break;
      }
      case Op::add:
        binary(" + ", 1, 1, 1);
        break;
      case Op::subtract:
        binary(" - ", 1, 1, 2);
        break;
      case Op::multiply:
        binary(" * ", 2, 2, 2);
        break;
      case Op::divide:
        binary(" / ", 2, 2, 3);
        break;
      case Op::power:
        binary(raised, 4, 5, 5);
        break;
      case Op::negate:
        stack.back() = {"-" + inside(stack.back(), 3), 3};
        break;
      case Op::whole_power:
        stack.back() = {inside(stack.back(), 5) + raised +
                            (step.value < 0 ? fmt::format("({:g})", step.value)
                                            : fmt::format("{:g}", step.value)),
                        4};
        break;
      case Op::sqrt:
        call("sqrt", "np.sqrt");
        break;
      case Op::exp:
        call("exp", "np.exp");
        break;
      case Op::log:
        call("log", "np.log");
        break;
      case Op::log10:
        call("log10", "np.log10");
        break;
      case Op::sin:
        call("sin", "np.sin");
        break;
      case Op::cos:
        call("cos", "np.cos");
        break;
      case Op::atan:
        call("atan", "np.arctan");
        break;
      case Op::tanh:
        call("tanh", "np.tanh");
        break;
      case Op::softplus:
        stack.back() = {
            fmt::format("{}{})", python ? "np.logaddexp(0, " : "softplus(", stack.back().text), 5};
        break;
    }
  }
  return stack.back().text;
}

std::string Expression::text() const {
  return rendered(false);
}

std::string Expression::python() const {
  return rendered(true);
}

}  // namespace attojoule::calibration
