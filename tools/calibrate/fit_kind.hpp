// What the kinds of `attojoule calibrate` that fit something share: their options, how columns are
// found, and how a result is shown and written.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "calibration/result.hpp"
#include "data/lab_file.hpp"
#include "tools/calibrate/kinds.hpp"

namespace attojoule::tools {

// Each in a file of its name.
Verb calibrate_ptc();
Verb calibrate_shot_noise_kind();
Verb calibrate_loss();
Verb calibrate_li();
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

  // `files`: "one file" or "several".
  void define(CLI::App& app);
  // ConfigError for a range or hold-out that cannot be read.
  std::optional<std::pair<double, double>> parsed_range() const;
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

calibration::InputFile input_of(const data::LabTable& table);
// Inputs, warnings and instrument settings of a table go into the result.
void note_table(calibration::CalibrationResult& result, const data::LabTable& table);

// Shows the result (JSON or a table), writes --out, and gives the exit code.
int finish(const FitKindOptions& options, const calibration::CalibrationResult& result,
           const Streams& streams);

}  // namespace attojoule::tools
