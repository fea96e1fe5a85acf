// Results in HDF5: written whole or not at all, with identity, provenance, units and axes.
// Format for users: docs/files.md. Tests: tests/data/result_file_test.cpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace attojoule::data {

inline constexpr const char* result_format = "attojoule-result";
inline constexpr int result_format_version = 1;

struct Provenance {
  std::string command_line;
  std::uint64_t seed = 0;
  std::string rng_contract;
  std::string config;  // fully resolved YAML
  std::string model_sha256;
  std::string dataset_sha256;
};

// An axis that a data set refers to by its path ("/sweep/photons_per_mac").
using AxisPaths = std::vector<std::string>;

// Writes into a temporary file beside the target and renames it in commit(); a writer that is
// destroyed before that removes its file. Every data set carries `units` and `long_name`; axes
// become HDF5 dimension scales. Throws RunError if the target cannot be written (checked at once).
class ResultWriter {
 public:
  ResultWriter(std::filesystem::path target, const Provenance& provenance);
  ~ResultWriter();
  ResultWriter(const ResultWriter&) = delete;
  ResultWriter& operator=(const ResultWriter&) = delete;

  // path: absolute, groups are made as needed. An axis is a one-dimensional data set that others
  // name in `axes`; shape is row-major and its product is values.size().
  void axis(const std::string& path, std::span<const double> values, const std::string& units,
            const std::string& long_name);
  void axis(const std::string& path, std::span<const std::string> values,
            const std::string& long_name);
  void write(const std::string& path, std::span<const double> values, const AxisPaths& axes,
             const std::string& units, const std::string& long_name);
  void write(const std::string& path, std::span<const float> values, const AxisPaths& axes,
             const std::string& units, const std::string& long_name);
  void write(const std::string& path, std::span<const std::int64_t> values, const AxisPaths& axes,
             const std::string& units, const std::string& long_name);
  void write(const std::string& path, std::span<const std::string> values, const AxisPaths& axes,
             const std::string& long_name);
  void scalar(const std::string& path, double value, const std::string& units,
              const std::string& long_name);
  void scalar(const std::string& path, const std::string& value, const std::string& long_name);
  // Attribute of a group or data set.
  void attribute(const std::string& path, const std::string& name, const std::string& value);
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What a result file holds, for people.
struct ResultSummary {
  struct Entry {
    std::string path;
    std::vector<std::int64_t> shape;
    std::string units;
    std::string long_name;
    std::optional<double> value;  // of a real scalar
  };
  std::vector<std::pair<std::string, std::string>> attributes;  // of the root, in a fixed order
  std::vector<Entry> entries;                                   // by path
};

// Whether a file is HDF5 with the attribute `format` of a result (of any version).
bool is_result_file(const std::filesystem::path& file);

// Throws DataError for anything but a result of this format and major version, naming the version
// of the program that wrote it.
ResultSummary read_result_summary(const std::filesystem::path& file);

}  // namespace attojoule::data
