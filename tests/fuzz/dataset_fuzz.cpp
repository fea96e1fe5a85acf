// Any bytes as a data set, HDF5 or IDX, and as a result file: refused with an error of the project,
// or read to its end.
//
// The first byte is 0: the rest is the file. Otherwise the rest is a pair of IDX files: two bytes,
// little-endian, give the length of the inputs, the labels follow.
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "data/dataset.hpp"
#include "data/result_file.hpp"
#include "photonics/error.hpp"

namespace {

using namespace attojoule;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

// A file that exists in memory only.
class MemoryFile {
 public:
  explicit MemoryFile(std::span<const std::uint8_t> bytes) : descriptor_(memfd_create("fuzz", 0)) {
    require(descriptor_ >= 0);
    while (!bytes.empty()) {
      const ssize_t written = write(descriptor_, bytes.data(), bytes.size());
      require(written > 0);
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { close(descriptor_); }
  std::filesystem::path path() const { return fmt::format("/proc/self/fd/{}", descriptor_); }

 private:
  int descriptor_;
};

void read_dataset(const data::DatasetOptions& options) {
  try {
    const data::Dataset set = data::Dataset::open(options);
    require(set.size() > 0);
    std::int64_t elements = 1;
    for (const std::int64_t extent : set.sample_shape()) elements *= extent;
    require(elements > 0);
    std::vector<float> sample(static_cast<std::size_t>(elements));
    for (const std::int64_t index : {std::int64_t{0}, set.size() / 2, set.size() - 1}) {
      set.read_input(index, sample);
      for (const float value : sample) require(std::isfinite(value));
      require(set.label(index) >= 0);
      require(!set.classes() || set.label(index) < *set.classes());
      for (std::size_t i = 0; i < set.named_inputs().size(); ++i) {
        std::int64_t size = 1;
        for (const std::int64_t extent : set.named_inputs()[i].shape) size *= extent;
        std::vector<float> named(static_cast<std::size_t>(size));
        set.read_named_input(i, index, named);
      }
    }
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): a refusal is a good answer
  }
}

void read_result(const std::filesystem::path& file) {
  try {
    if (data::is_result_file(file)) data::read_result_summary(file);
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): a refusal is a good answer
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::span<const std::uint8_t> rest(bytes + 1, size - 1);
  data::DatasetOptions options;
  if (bytes[0] == 0) {
    const MemoryFile file(rest);
    options.file = file.path();
    read_dataset(options);
    read_result(file.path());
    return 0;
  }
  if (rest.size() < 2) return 0;
  const std::size_t wanted = rest[0] + std::size_t{256} * rest[1];
  const auto pair = rest.subspan(2);
  const std::size_t length = std::min(wanted, pair.size());
  const MemoryFile inputs(pair.first(length));
  const MemoryFile labels(pair.subspan(length));
  options.file = inputs.path();
  options.labels_file = labels.path();
  read_dataset(options);
  return 0;
}
