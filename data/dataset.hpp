// Labelled inputs of a network, from the files that users have.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace attojoule::data {

// What an experiment may say of a data file; each overrides the file's own attribute.
struct DatasetOptions {
  std::filesystem::path file;
  std::filesystem::path labels_file;  // IDX only: labels live in a second file
  std::vector<double> mean;           // per channel (axis 1), or one for all
  std::vector<double> std;
  std::optional<double> scale;
  int label_offset = 0;  // added to every label of the file
};

// A further numeric data set of the file whose first axis is the sample, such as an attention mask.
struct NamedInput {
  std::string name;
  std::vector<std::int64_t> shape;  // of one sample
};

// Inputs x = (raw * scale - mean) / std. Raw values stay as stored; a sample is converted when it
// is read, so that a data set costs its own size in memory. Reading is thread-safe.
class Dataset {
 public:
  // HDF5 (`inputs`, `labels`, see docs/files.md) or IDX (optionally gzipped), told apart by
  // content. Throws DataError naming file, data set and remedy. Tests: tests/data/dataset_test.cpp,
  // tests/fuzz/dataset_fuzz.cpp.
  static Dataset open(const DatasetOptions& options);

  ~Dataset();
  Dataset(Dataset&&) noexcept;
  Dataset& operator=(Dataset&&) noexcept;

  std::int64_t size() const;
  const std::vector<std::int64_t>& sample_shape() const;  // without the first axis
  bool is_integer_valued() const;      // raw integers with scale 1, mean 0, std 1: token ids
  std::optional<int> classes() const;  // attribute of the file
  int label(std::int64_t index) const;
  // Writes product(sample_shape) values, row-major as stored (C, H, W for images).
  void read_input(std::int64_t index, std::span<float> out) const;
  const std::vector<NamedInput>& named_inputs() const;
  void read_named_input(std::size_t which, std::int64_t index, std::span<float> out) const;
  const std::string& sha256() const;  // of the file, hexadecimal
  const std::filesystem::path& file() const;

 private:
  struct Storage;
  explicit Dataset(std::unique_ptr<Storage> storage);
  std::unique_ptr<Storage> storage_;
};

}  // namespace attojoule::data
