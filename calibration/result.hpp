// What a calibration found, in one shape for every kind: values with both types of uncertainty, how
// well the model describes the data, what was left out and why, and what the numbers cannot say.
//
// Uncertainties (GUM, JCGM 100:2008): type A from the scatter of the data, type B from everything
// that more points do not shrink (the scale of a power meter, a length). They are kept apart, and
// combined as u^2 = u_a^2 + u_b^2. The 95 % interval is value +- k u with Student's factor k at the
// effective degrees of freedom dof (u / u_a)^4 (Welch-Satterthwaite) where the covariance is scaled
// by the data's own scatter, and the normal 1.96 where the standard deviations are known; the
// 68.27 % interval likewise, with k = 1 for known standard deviations.
// Tests: tests/calibration/*_test.cpp of the kinds.
#pragma once

#include <Eigen/Core>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "calibration/fit.hpp"

namespace attojoule::calibration {

inline constexpr double not_known = std::numeric_limits<double>::quiet_NaN();

struct Estimate {
  std::string name;
  std::string unit;  // "1" for a pure number
  double value = not_known;
  double u_a = not_known, u_b = 0;                             // standard uncertainties; 0: none
  double interval_low = not_known, interval_high = not_known;  // 95 %
  std::string meaning{};                                       // in words
  double interval68_low = not_known, interval68_high = not_known;  // 68.27 %
  double dof = std::numeric_limits<double>::infinity();  // effective, of the combined uncertainty
  double combined() const;
};

// Probability of the shorter interval: that of one standard deviation of a normal law.
inline constexpr double one_sigma = 0.6826894921370859;

struct RejectedPoint {
  std::string place;  // "data.csv:12"
  std::string reason;
};

// For readers: neighbours that were left out for one reason become one entry, "FIRST to LAST (N
// points)", where they are more than a few.
std::vector<RejectedPoint> grouped(const std::vector<RejectedPoint>& rejected);

struct ResidualRow {
  std::string place;
  double x = not_known, y = not_known, model = not_known, sigma = not_known;
  double standardised = not_known, leverage = not_known;
  bool used = true;
};

struct PlotSeries {
  std::string name;                 // series of one name share a colour and an entry of the legend
  std::vector<double> x, y, error;  // error: empty, or half-lengths of bars
  enum class Kind { points, line, crosses } kind = Kind::points;
};
struct Plot {
  std::string title, x_label, y_label;
  bool log_x = false, log_y = false;
  std::vector<PlotSeries> series;
  // Names in place of an abscissa: x = 1, 2, … are the rows from the top, y goes to the right.
  std::vector<std::string> rows{};
};

// Columns of like length that a result is made of or consists of besides its parameters: the curve
// of an Allan deviation, a spectrum, the record itself. Written as NAME.csv and into cal.h5.
struct ResultTable {
  struct Column {
    std::string name, unit;            // a word without '/', not "row"; "1" for a pure number
    std::vector<double> values;        // NaN: not known
    std::vector<std::string> texts{};  // in place of values
  };
  std::string name;  // "curve"
  std::vector<Column> columns;
  bool in_report = true;  // in result.json, the report and the terminal as well: short ones
  std::size_t rows() const;
};

// A parameter that the simulator takes: `key` as device files write it.
struct DeviceEntry {
  std::string key;        // "detector.responsivity"
  std::string unit;       // "A/W"; "1" for a pure number
  std::string parameter;  // whose estimate it is, in DeviceEntry::unit after `factor`
  double factor = 1;
};

enum class Verdict { accepted, rejected, not_identifiable, no_convergence };
// "accepted", "rejected", "not-identifiable", "no-convergence".
const char* name_of(Verdict verdict);

// Probability of chi2 below which a model with known standard deviations is rejected, and the
// largest standardised residual that is still believed. Both are one in a thousand per data set or
// rarer; see judge().
inline constexpr double rejection_probability = 1e-3;

struct InputFile {
  std::string path, sha256, format;
};

struct CalibrationResult {
  std::string kind;
  std::string method;
  std::string model;  // the equation
  std::vector<Estimate> parameters;
  Eigen::MatrixXd covariance_a, covariance_b;  // of `parameters`, in their units
  bool covariance_scaled = false;
  double chi2 = not_known, dof = not_known, chi2_probability = not_known;
  std::size_t points_used = 0;
  std::vector<RejectedPoint> rejected;
  std::vector<BoundHit> bounds_hit;
  double condition = not_known;
  std::string identifiability;  // a sentence
  Verdict verdict = Verdict::accepted;
  std::vector<std::string> reasons;  // of a verdict other than accepted
  std::vector<std::string> warnings;
  std::vector<InputFile> inputs;
  std::map<std::string, std::string> settings;  // of the instruments, and options that were used
  // Further figures by name: value and unit.
  std::vector<Estimate> figures;
  // Other methods' values of the same parameters: (method, its estimates).
  std::vector<std::pair<std::string, std::vector<Estimate>>> alternatives;
  std::optional<HoldOut> hold_out;
  std::vector<ResidualRow> residuals;
  std::vector<Plot> plots;
  std::vector<ResultTable> tables;
  std::vector<DeviceEntry> device;
  // What the device parameters hold at, by key: "laser.wavelength", "1310 nm".
  std::vector<std::pair<std::string, std::string>> device_conditions;
  // Python that reproduces the numbers with numpy and scipy, from data that it holds itself or from
  // a table's file beside it: a line "NAME VALUE STANDARD_ERROR" a parameter, "nan" for an error
  // that it does not find out.
  std::string python;

  Eigen::MatrixXd covariance() const { return covariance_a + covariance_b; }
  double chi2_reduced() const { return dof > 0 ? chi2 / dof : not_known; }
  const Estimate& parameter(const std::string& name) const;  // ConfigError where there is none
  // Exit code of a program: 0 accepted (or rejected, where `strict` is false), 4 no convergence,
  // 5 not identifiable, 6 rejected.
  int exit_code(bool strict) const;
};

// Takes over from a fit: parameters with type A uncertainty, covariance, chi2, condition, bounds,
// status; chi2_reduced above what chance allows (for known sigmas) rejects. `meanings`: one a
// parameter.
void adopt(CalibrationResult& result, const Fit& fit, const std::vector<std::string>& meanings);

// Adds a type B uncertainty that the parameters share: `change` = theirs, in their units, for one
// standard uncertainty of the cause. Renews the 95 % intervals.
void add_type_b(CalibrationResult& result, const std::vector<double>& change,
                const std::string& cause);

// A quantity computed from the parameters, value f(p) with gradient by central differences; type A
// and B are propagated separately through the covariance of each.
Estimate derived(const CalibrationResult& result, const std::string& name, const std::string& unit,
                 const std::string& meaning,
                 const std::function<double(const std::vector<double>&)>& formula);

// The same quantity as a parameter of the result, with its covariances to the others. Call it after
// every add_type_b().
void append_derived(CalibrationResult& result, const std::string& name, const std::string& unit,
                    const std::string& meaning,
                    const std::function<double(const std::vector<double>&)>& formula);

// A parameter that was found by itself: its covariances with the others are not known (NaN, null in
// result.json). Sets its normal intervals where it has none.
void append_separate(CalibrationResult& result, Estimate estimate);

// A fit in scaled numbers, in the user's units: parameter k times factor k.
Fit in_units(Fit fit, const std::vector<double>& factors);

// Reports a parameter or figure beyond a physical bound, by its combined uncertainty: more than
// three standard uncertainties reject the model, fewer warn. Nothing is clipped.
void check_bound(CalibrationResult& result, const Estimate& estimate, double bound, bool above,
                 const std::string& reason);

// Sets both intervals and the effective degrees of freedom of an estimate whose type A uncertainty
// has `dof` degrees of freedom (infinite for known standard deviations).
void set_interval(Estimate& estimate, double dof);

void reject(CalibrationResult& result, const std::string& reason);
// The data cannot tell: verdict, statement and reason, whatever the verdict was before.
void not_identifiable(CalibrationResult& result, const std::string& statement);

}  // namespace attojoule::calibration
