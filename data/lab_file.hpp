// Files that laboratories measure: read into columns with units, settings and a place for every
// error. Formats for users: docs/calibration.md.
//
// Read are: the program's own CSV ("name [unit]" headers, "# key: value" settings), CSV of Siglent,
// Keysight/Agilent, Rohde & Schwarz, Tektronix and LeCroy instruments, Touchstone 1 and 2, HDF5,
// EMVA 1288 descriptors and mean/variance tables. Numbers stay as they are written; column_in()
// converts. Nothing is guessed in silence: what had to be assumed or left out is in `warnings`.
//
// Messages: `FILE:LINE[:COLUMN]: problem; remedy`.
// Tests: tests/data/lab_file_test.cpp, tests/data/touchstone_test.cpp,
// tests/fuzz/lab_file_fuzz.cpp,
//        tests/fuzz/touchstone_fuzz.cpp.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace attojoule::data {

struct LabColumn {
  std::string name;
  std::string unit;  // as written; "" where the file has none
  std::vector<double> values;
  int position = 0;     // of the column in the file, from 1; 0 where it has none (Touchstone, HDF5)
  int header_line = 0;  // where its name stands; 0 where it has no name
  std::map<std::string, std::string> settings;  // of this trace alone: detector, trace type
};

// Settings have one name whatever the instrument calls them: "RBW", "VBW", "averaging" (log,
// voltage, power or none), "detector", "impedance", "start frequency", "stop frequency",
// "sweep time", "points", "instrument", "reference level", "attenuation", "preamplifier",
// "sample interval"; others keep theirs. Values are text with a unit ("300000 Hz").
struct LabTable {
  std::filesystem::path file;
  std::string format;  // attojoule-csv, siglent, keysight, rohde-schwarz, tektronix, lecroy,
                       // siepic-csv, touchstone-1, touchstone-2, hdf5, emva-descriptor, emva-table
  std::string sha256;
  std::vector<LabColumn> columns;  // all of one length
  std::vector<int> lines;          // in the file, of every row; empty where it has no lines
  std::map<std::string, std::string> settings;
  std::vector<std::string> warnings;

  std::size_t rows() const { return columns.empty() ? 0 : columns.front().values.size(); }
  const LabColumn* find(std::string_view name) const;  // nullptr where there is none
  // DataError that names the columns there are.
  const LabColumn& column(std::string_view name) const;
};

struct LabReadOptions {
  std::string columns;             // "I [A], P [W]": names and units of a file without a header
  std::vector<std::string> units;  // "P_LO=mW": of columns that have none in the file
  std::string group;               // of an HDF5 file; "" = where the one-dimensional data sets are
};

// Throws DataError with place, problem and remedy for what cannot be read; ConfigError where the
// options do not fit the file.
LabTable read_lab_file(const std::filesystem::path& file, const LabReadOptions& options = {});

// The same of a text in memory; `file` is its name in messages, and says the ports of a Touchstone
// file. Images of an EMVA descriptor are looked for beside it. No sha256.
LabTable read_lab_text(std::string_view bytes, const std::filesystem::path& file,
                       const LabReadOptions& options = {});

// The values of a column in `unit` ("W", "V^2/Hz", "dB"). DataError, with file, line and column,
// where the column is missing, has no unit or one of another dimension, or a value has no place on
// a decibel scale. Where `unit` is "1" a column without a unit passes.
std::vector<double> column_in(const LabTable& table, std::string_view name, std::string_view unit);

// A column of levels or powers of a spectrum analyser [W]: dBm, W, or a level of a voltage across
// the input's impedance (setting "impedance", else `impedance_ohm` if positive, else DataError).
std::vector<double> power_in_watt(const LabTable& table, std::string_view name,
                                  double impedance_ohm = 0);

// A setting in `unit`; nullopt where the file has none. DataError where it is no number with a unit
// of that dimension.
std::optional<double> setting_in(const LabTable& table, const std::string& name,
                                 std::string_view unit);

// "data.csv:7", for messages about a row.
std::string place_of_row(const LabTable& table, std::size_t row);

// The table as own CSV, or as HDF5 (data sets /NAME with attribute `units`, settings as attributes
// of the root), that read_lab_file() reads back: numbers bit for bit. Written whole or not at all.
// RunError where the file cannot be written.
std::string lab_csv_text(const LabTable& table);
void write_lab_csv(const LabTable& table, const std::filesystem::path& file);
void write_lab_hdf5(const LabTable& table, const std::filesystem::path& file);

}  // namespace attojoule::data
