// Text of measurement files: encodings, lines, cells, numbers. Internal to data/'s readers.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "data/lab_file.hpp"

namespace attojoule::data {

struct LabText {
  std::string place;  // the file, as messages name it
  std::string text;   // UTF-8 without byte order mark, carriage returns and NUL bytes
  std::vector<std::string_view> lines;  // of `text`, without their ends; line n is lines[n - 1]

  std::string at(std::size_t line) const;  // "FILE:LINE", line from 1
  std::string at(std::size_t line, std::size_t column) const;
};

// Decodes UTF-8 (with or without byte order mark), UTF-16 with byte order mark and, where a file is
// no UTF-8, ISO 8859-1, which is a warning. DataError for what is no text.
LabText decode_lab_text(std::string_view bytes, const std::string& place,
                        std::vector<std::string>& warnings);

std::string_view trimmed_text(std::string_view text);
std::string lower_text(std::string_view text);

// Cells of a line, trimmed and without quotes. A blank delimiter splits at any run of blanks.
std::vector<std::string_view> split_cells(std::string_view line, char delimiter);

// A cell as a finite number; `decimal` is '.' or ','.
bool parse_number(std::string_view cell, char decimal, double& value);

// "P_LO [mW]", "Frequency(Hz)", "CH1 in V" -> name and unit. Round brackets and "in" only count
// where a unit stands behind them.
struct NameAndUnit {
  std::string name, unit;
};
NameAndUnit split_header_cell(std::string_view cell);

// Puts a setting under the name that LabTable promises, with a unit where the number has none.
void add_setting(std::map<std::string, std::string>& settings, std::string_view name,
                 std::string_view value, std::string_view unit = {});

LabColumn named_column(std::string_view name, std::string_view unit);

// Where a table of numbers stands in a file, and what its columns are.
struct TableLayout {
  std::size_t first_line = 0;  // from 1
  std::size_t end_line = 0;    // one past the last; 0 = to the end of the file
  char delimiter = ',';
  char decimal = '.';
  bool skip_comments = true;         // lines that start with '#' or '!'
  std::vector<LabColumn> columns;    // without values
  std::vector<std::size_t> cell_of;  // column -> cell of a row; empty: the same
};

// Fills columns and lines of `table`. DataError at the first cell that is no number and the first
// row of another length; also for no rows at all.
void read_rows(const LabText& text, TableLayout layout, LabTable& table);

// Leaves out traces that hold the placeholder of an analyser's switched-off trace (-2147.48: the
// least 32-bit integer in thousandths; -1000 dBm, in any unit), with a warning each.
void drop_placeholder_traces(LabTable& table);

// The readers. Each fills format, columns, lines, settings and warnings.
bool read_instrument_csv(const LabText& text, LabTable& table);  // false: of no known instrument
void read_own_csv(const LabText& text, const LabReadOptions& options, LabTable& table);
void read_touchstone(const LabText& text, int ports_by_name, const std::string& group,
                     LabTable& table);
void read_emva_descriptor(const LabText& text, LabTable& table);
void read_lab_hdf5(const std::filesystem::path& file, const std::string& group, LabTable& table);

}  // namespace attojoule::data
