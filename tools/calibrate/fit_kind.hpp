// What the kinds of `attojoule calibrate` share: their options, how columns are found, and how a
// result is shown and written.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "calibration/curve.hpp"
#include "calibration/result.hpp"
#include "data/lab_file.hpp"
#include "tools/calibrate/kinds.hpp"

namespace attojoule::tools {

// Each in a file of its name.
Verb calibrate_ptc();
Verb calibrate_shot_noise_kind();
Verb calibrate_loss();
Verb calibrate_li();
Verb calibrate_responsivity_kind();
Verb calibrate_cmrr();
Verb calibrate_visibility();
Verb calibrate_mzm();
Verb calibrate_ring();
Verb calibrate_rin();
Verb calibrate_linewidth_kind();
Verb calibrate_joint_kind();
// All of them, in the order of the help.
std::vector<Verb> calibrate_fit_kinds();

// The options that all fitting kinds have.
struct FitKindOptions {
  std::vector<std::string> files;
  FileOptions reading;
  std::string out;
  std::string range;    // "lo:hi" of the abscissa, in its column's unit; either end may be empty
  std::string holdout;  // "block:K"
  std::string device = "ideal-shot-noise";
  bool known_sigma = false, scale_sigma = false;
  bool strict = false;
  bool json = false;

  // All of them, or only those of a kind that fits no curve with standard deviations: files and
  // what is written; the range.
  void define(CLI::App& app);
  // --out, --device, --strict and --json alone.
  void define_output(CLI::App& app);
  void define_files(CLI::App& app);
  void define_range(CLI::App& app);
  // In `unit`, that of the abscissa's column; its ends are numbers, or quantities of that dimension
  // ("1MHz:20MHz"). ConfigError for a range or hold-out that cannot be read.
  std::optional<std::pair<double, double>> parsed_range(const std::string& unit) const;
  std::size_t holdout_blocks() const;  // 0: none
};

// How a column is looked for: by the option's value if the user gave one, else by its usual names
// (in any case, with or without blanks, underscores and dashes), else as the only column of that
// dimension that no other role has taken.
struct ColumnWish {
  std::string role;                // "photocurrent", for messages
  std::string option;              // "--current"
  std::string given;               // its value; "" = not given
  std::vector<std::string> names;  // usual ones
  std::string unit;                // in which the values are wanted
};

// The column's name in the table; "" where there is none.
std::string find_column(const data::LabTable& table, const ColumnWish& wish,
                        const std::vector<std::string>& taken = {});
// DataError that says what is missing, what there is and how to name it.
std::string require_column(const data::LabTable& table, const ColumnWish& wish,
                           const std::vector<std::string>& taken = {});
// Values in the wished unit.
std::vector<double> values_of(const data::LabTable& table, const std::string& column,
                              const ColumnWish& wish);

// A quantity of an option ("300kHz", "1550 nm", "5 %") in `unit`; ConfigError naming the option.
double option_quantity(const std::string& option, const std::string& text, const std::string& unit);

// "lo:hi" in `unit`, as FitKindOptions::parsed_range() has it; ConfigError naming the option.
std::optional<std::pair<double, double>> quantity_range(const std::string& option,
                                                        const std::string& text,
                                                        const std::string& unit);

// The column that --column names, or the only one besides those of `others`; ConfigError.
std::string only_column(const data::LabTable& table, const std::string& given,
                        const std::vector<std::string>& others);
// The column `name` if there is one, else the one column that has one of its other usual names;
// `name` where there is none or more than one, for the error.
std::string column_or_usual(const data::LabTable& table, const std::string& name,
                            const std::vector<std::string>& usual);
// Whether a column has a unit, and of that dimension.
bool has_dimension(const data::LabColumn& column, const std::string& unit);

// Start of a check.py that works on NAME.csv beside it: its columns as the arrays `names`.
std::string python_table(const std::string& file, const std::string& names);

// The one file of a kind that fits one measurement; ConfigError for more.
data::LabTable read_only_file(const std::string& kind, const FitKindOptions& options);

// Columns of a curve y(x) and what is known of its scatter.
struct CurveOptions {
  std::string x, y, sigma, relative, floor;

  // `x_option`: "--power"; `x_help`: "Column of the optical power".
  void define(CLI::App& app, const std::string& x_option, const std::string& x_help,
              const std::string& y_option, const std::string& y_help);
};
// What a table and the options say of it, in the wishes' units; rows outside --range become
// `outside`. `given` of the wishes is filled from the options. ConfigError where --known-sigma has
// nothing to know.
calibration::CurveData read_curve(const FitKindOptions& options, const CurveOptions& columns,
                                  const data::LabTable& table, ColumnWish x, ColumnWish y,
                                  std::vector<calibration::RejectedPoint>& outside);

// A signal that is proportional to optical power: W, A, V or a ratio ("1"), whatever it is written
// in: dBm and dB (10 dB a decade) become W and 1, % becomes 1.
struct LinearSignal {
  std::string column, unit;
  std::vector<double> values;
  bool is_ratio = false;
  bool from_level = false;
};
// By the option's value, else by its usual names, else as the only column of such a dimension that
// is not taken. DataError where there is none, or the unit is another one.
LinearSignal linear_signal(const data::LabTable& table, const ColumnWish& wish,
                           const std::vector<std::string>& taken);
// The curve of such a signal over a column of numbers.
calibration::CurveData read_signal_curve(const FitKindOptions& options, const CurveOptions& columns,
                                         const data::LabTable& table, const std::string& x_column,
                                         const std::string& x_unit, const LinearSignal& signal,
                                         std::vector<calibration::RejectedPoint>& outside);
// The part of read_curve() that is about weights, for kinds that make their curve themselves.
void read_weights(const FitKindOptions& options, const CurveOptions& columns,
                  calibration::CurveData& curve);

// An option that may be left out: nullopt where its text is empty.
std::optional<double> optional_quantity(const std::string& option, const std::string& text,
                                        const std::string& unit);

// The parts of a list, without the blanks around them; empty ones are none.
std::vector<std::string> split_at(const std::string& text, char at);
std::vector<std::string> comma_separated(const std::string& text);

calibration::InputFile input_of(const data::LabTable& table);
// Inputs, warnings and instrument settings of a table go into the result.
void note_table(calibration::CalibrationResult& result, const data::LabTable& table);

// Shows the result (JSON or a table), writes --out, and gives the exit code.
int finish(const FitKindOptions& options, const calibration::CalibrationResult& result,
           const Streams& streams);

}  // namespace attojoule::tools
