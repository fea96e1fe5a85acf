// Numbers that carry their derivatives (forward-mode automatic differentiation): a model written
// once for a type T gives values with T = double and exact derivatives with T = Dual.
//
//   (v, d) : value and derivatives with respect to up to Dual::width parameters
//   f((v, d)) = (f(v), f'(v) d)
//
// Models call exp, log, sin ... unqualified, after `using std::exp;` and the like.
// Test: tests/calibration/fit_test.cpp (against differences, and by all of NIST StRD).
#pragma once

#include <array>
#include <cmath>
#include <cstddef>

namespace attojoule::calibration {

struct Dual {
  static constexpr std::size_t width = 8;
  double v = 0;
  std::array<double, width> d{};

  Dual() = default;
  // Implicit, so that constants stand in formulas as they are.
  Dual(double value) : v(value) {}
  Dual(double value, std::size_t parameter) : v(value) { d[parameter] = 1; }

  // f(a) with f(a.v) = value and f'(a.v) = slope.
  static Dual chain(const Dual& a, double value, double slope) {
    Dual r(value);
    for (std::size_t i = 0; i < width; ++i) r.d[i] = slope * a.d[i];
    return r;
  }
  static Dual chain(const Dual& a, const Dual& b, double value, double slope_a, double slope_b) {
    Dual r(value);
    for (std::size_t i = 0; i < width; ++i) r.d[i] = slope_a * a.d[i] + slope_b * b.d[i];
    return r;
  }

  Dual& operator+=(const Dual& b) { return *this = chain(*this, b, v + b.v, 1, 1); }
  Dual& operator-=(const Dual& b) { return *this = chain(*this, b, v - b.v, 1, -1); }
  Dual& operator*=(const Dual& b) { return *this = chain(*this, b, v * b.v, b.v, v); }
  Dual& operator/=(const Dual& b) {
    return *this = chain(*this, b, v / b.v, 1 / b.v, -v / (b.v * b.v));
  }
  friend Dual operator+(Dual a, const Dual& b) { return a += b; }
  friend Dual operator-(Dual a, const Dual& b) { return a -= b; }
  friend Dual operator*(Dual a, const Dual& b) { return a *= b; }
  friend Dual operator/(Dual a, const Dual& b) { return a /= b; }
  friend Dual operator-(const Dual& a) { return chain(a, -a.v, -1); }
  friend bool operator<(const Dual& a, const Dual& b) { return a.v < b.v; }
  friend bool operator>(const Dual& a, const Dual& b) { return a.v > b.v; }
};

inline Dual exp(const Dual& a) {
  const double e = std::exp(a.v);
  return Dual::chain(a, e, e);
}
inline Dual log(const Dual& a) {
  return Dual::chain(a, std::log(a.v), 1 / a.v);
}
inline Dual log1p(const Dual& a) {
  return Dual::chain(a, std::log1p(a.v), 1 / (1 + a.v));
}
inline Dual sqrt(const Dual& a) {
  const double r = std::sqrt(a.v);
  return Dual::chain(a, r, 0.5 / r);
}
inline Dual sin(const Dual& a) {
  return Dual::chain(a, std::sin(a.v), std::cos(a.v));
}
inline Dual cos(const Dual& a) {
  return Dual::chain(a, std::cos(a.v), -std::sin(a.v));
}
inline Dual atan(const Dual& a) {
  return Dual::chain(a, std::atan(a.v), 1 / (1 + a.v * a.v));
}
inline Dual tanh(const Dual& a) {
  const double t = std::tanh(a.v);
  return Dual::chain(a, t, 1 - t * t);
}
// For a positive base.
inline Dual pow(const Dual& a, const Dual& b) {
  const double p = std::pow(a.v, b.v);
  return Dual::chain(a, b, p, b.v * std::pow(a.v, b.v - 1), p * std::log(a.v));
}

// log(1 + exp(a)) without overflow, for smooth hinges.
template <class T>
T softplus(const T& a) {
  using std::exp;
  using std::log1p;
  if (a > T(0)) return a + log1p(exp(-a));
  return log1p(exp(a));
}

}  // namespace attojoule::calibration
