// Formulas that users write: "dark + responsivity * scale * P", evaluated with derivatives.
//
//   expression := term {(+ | -) term}        term  := factor {(* | /) factor}
//   factor     := [+ | -] power              power := primary [^ factor]
//   primary    := number | name | name(expression) | (expression)
//
// Names may hold dots ("noise.offset", "detector.quantum_efficiency"). Functions: sqrt exp log
// log10 sin cos atan tanh softplus (ln(1 + e^x)). Constants (CODATA, photonics/constants.hpp): pi,
// q_e [C], h_planck [J s], c_light [m/s], k_boltzmann [J/K]. A power with a whole exponent takes
// any base; another one takes a positive base. Test: tests/calibration/expression_test.cpp.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "calibration/dual.hpp"

namespace attojoule::calibration {

class Expression {
 public:
  // The number 0.
  Expression();
  // ConfigError `place: ...` that shows where in the text it is wrong.
  static Expression parse(const std::string& text, const std::string& place);
  static Expression number(double value);
  static Expression name(const std::string& name);

  // The names that need values, in the order of their first appearance.
  const std::vector<std::string>& names() const { return names_; }
  bool uses(const std::string& name) const;
  // Values in the order of names(). T: double, long double or Dual.
  template <class T>
  T evaluate(const T* values) const;
  // With values by name; every name must have one.
  double evaluate(const std::function<double(const std::string&)>& value_of) const;
  // With other formulas in place of names; names without one stay. Numbers are computed.
  Expression substituted(const std::map<std::string, Expression>& formulas) const;

  std::string text() const;
  // For numpy as np, dots of names as underscores.
  std::string python() const;

 private:
  enum class Op {
    number,
    name,
    add,
    subtract,
    multiply,
    divide,
    negate,
    power,
    whole_power,
    sqrt,
    exp,
    log,
    log10,
    sin,
    cos,
    atan,
    tanh,
    softplus
  };
  struct Step {
    Op op = Op::number;
    double value = 0;      // of a number, or the whole exponent
    std::size_t name = 0;  // in names_
  };
  struct Parser;
  static constexpr std::size_t max_depth = 64;  // of the stack: formulas, not programs

  void append(const Expression& other);
  void simplify();
  std::size_t index_of(const std::string& name);
  std::string rendered(bool python) const;

  std::vector<Step> steps_;  // postfix
  std::vector<std::string> names_;
};

}  // namespace attojoule::calibration
