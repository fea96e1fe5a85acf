// What a calibration found, and how it is written: DIR/result.json, residuals.csv, report.html, and
// a summary for the terminal.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/lab_file.hpp"
#include "tools/calibrate/svg_plot.hpp"
#include "tools/verbs.hpp"

namespace attojoule::tools {

struct OutcomeParameter {
  std::string name, unit;
  double value = 0;
  double u_a = 0;  // standard uncertainty from the scatter of the data (type A)
  double u_b = 0;  // from what scatter does not show: scale errors, assumptions (type B)
  // 95 %; where there is none, value ± 2 sqrt(u_a^2 + u_b^2).
  std::optional<std::pair<double, double>> interval95 = std::nullopt;
};

struct Outcome {
  std::string kind;
  struct Input {
    std::string file, format, sha256;
  };
  std::vector<Input> inputs;
  std::vector<OutcomeParameter> parameters;
  std::optional<double> chi2_reduced;
  std::string verdict = "accepted";  // or "rejected", with the reason in `warnings`
  std::vector<std::string> warnings;
  nlohmann::ordered_json details = nlohmann::ordered_json::object();  // more keys of result.json
  std::vector<data::LabColumn> residuals;                             // columns of residuals.csv
  std::vector<Plot> plots;
  std::string python_check;  // a few lines that reproduce the main number

  void add_input(const data::LabTable& table);
  const OutcomeParameter& parameter(const std::string& name) const;
};

// Options that every kind has: --out, --json, --strict, and how files are read.
struct OutcomeOptions {
  std::string out;
  bool json = false;
  bool strict = false;

  void define(CLI::App& app);
};

// Writes into `options.out` (made if needed; nothing if empty) and to `streams`. Returns the exit
// code: 0, or 6 where the verdict is "rejected" and --strict was given.
int deliver(const Outcome& outcome, const OutcomeOptions& options, const Streams& streams);

// "lo:hi" with units ("1MHz:20MHz", either end may be missing) in SI. Throws ConfigError.
std::pair<double, double> parse_range(const std::string& text, std::string_view unit);

// The column that `name` asks for, or the only one of `unit`'s dimension; `what` is for messages.
std::string choose_column(const data::LabTable& table, const std::string& name,
                          std::string_view unit, const std::string& option,
                          const std::string& what);

}  // namespace attojoule::tools
