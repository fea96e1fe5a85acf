#include "data/result_file.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <hdf5.h>
#include <hdf5_hl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>

#include "data/version.hpp"
#include "photonics/error.hpp"
#include "tests/data/temporary_folder.hpp"

namespace attojoule::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

Provenance provenance() {
  return {"attojoule run 'a b'",
          18446744073709551615U,
          "philox4x32-10/1",
          "model: \"\u00B5.onnx\"\n",
          "abc",
          "def"};
}

// Everything below is read with HDF5's own C interface, so that the file is what other programs
// see.
class File {
 public:
  explicit File(const std::filesystem::path& path)
      : id_(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT)) {
    EXPECT_GE(id_, 0);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { H5Fclose(id_); }

  std::string text(const std::string& object, const char* attribute) const {
    const hid_t handle = H5Aopen_by_name(id_, object.c_str(), attribute, H5P_DEFAULT, H5P_DEFAULT);
    if (handle < 0) return "(absent)";
    const hid_t type = H5Aget_type(handle);
    EXPECT_GT(H5Tis_variable_str(type), 0);
    EXPECT_EQ(H5Tget_cset(type), H5T_CSET_UTF8);
    char* value = nullptr;
    EXPECT_GE(H5Aread(handle, type, &value), 0);
    const std::string result = value == nullptr ? "" : value;
    H5free_memory(value);
    H5Tclose(type);
    H5Aclose(handle);
    return result;
  }

  std::uint64_t number(const char* attribute) const {
    std::uint64_t value = 0;
    EXPECT_GE(H5LTget_attribute(id_, "/", attribute, H5T_NATIVE_UINT64, &value), 0);
    return value;
  }

  std::vector<hsize_t> extents(const std::string& path) const {
    int rank = 0;
    EXPECT_GE(H5LTget_dataset_ndims(id_, path.c_str(), &rank), 0);
    std::vector<hsize_t> result(static_cast<std::size_t>(rank));
    if (rank > 0) H5LTget_dataset_info(id_, path.c_str(), result.data(), nullptr, nullptr);
    return result;
  }

  std::vector<double> doubles(const std::string& path) const {
    std::size_t count = 1;
    for (const hsize_t extent : extents(path)) count *= extent;
    std::vector<double> values(count);
    EXPECT_GE(H5LTread_dataset_double(id_, path.c_str(), values.data()), 0);
    return values;
  }

  std::vector<std::string> texts(const std::string& path) const {
    std::size_t count = 1;
    for (const hsize_t extent : extents(path)) count *= extent;
    std::vector<char*> values(count);
    const hid_t set = H5Dopen2(id_, path.c_str(), H5P_DEFAULT);
    const hid_t type = H5Dget_type(set);
    EXPECT_GE(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), 0);
    std::vector<std::string> result;
    for (char* value : values) {
      result.emplace_back(value);
      H5free_memory(value);
    }
    H5Tclose(type);
    H5Dclose(set);
    return result;
  }

  H5T_class_t type_class(const std::string& path) const {
    H5T_class_t kind = H5T_NO_CLASS;
    std::vector<hsize_t> ignored(8);
    std::size_t size = 0;
    H5LTget_dataset_info(id_, path.c_str(), ignored.data(), &kind, &size);
    return kind;
  }

  // Whether axis `dimension` of a data set is the dimension scale at `scale`.
  bool has_scale(const std::string& path, const std::string& scale, unsigned dimension) const {
    const hid_t set = H5Dopen2(id_, path.c_str(), H5P_DEFAULT);
    const hid_t axis = H5Dopen2(id_, scale.c_str(), H5P_DEFAULT);
    const bool attached = H5DSis_scale(axis) > 0 && H5DSis_attached(set, axis, dimension) > 0;
    H5Dclose(axis);
    H5Dclose(set);
    return attached;
  }

 private:
  hid_t id_;
};

std::vector<std::string> files_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

void write_small(const std::filesystem::path& path, double value) {
  ResultWriter writer(path, provenance());
  writer.scalar("/value", value, "J", "a value");
  writer.commit();
}

double read_small(const std::filesystem::path& path) {
  return read_result_summary(path).entries.at(0).value.value();
}

TEST(ResultFile, RootAttributesIdentifyTheRun) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "r.h5";
  write_small(path, 1);
  const File file(path);
  EXPECT_EQ(file.text("/", "format"), "attojoule-result");
  EXPECT_EQ(file.number("format_version"), 1U);
  EXPECT_EQ(file.text("/", "program_version"), program_version());
  EXPECT_EQ(file.text("/", "git_sha"), git_sha());
  EXPECT_EQ(file.text("/", "command_line"), "attojoule run 'a b'");
  EXPECT_THAT(file.text("/", "created_utc"),
              testing::MatchesRegex("20[0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9:]{8}Z"));
  EXPECT_EQ(file.number("seed"), 18446744073709551615U);
  EXPECT_EQ(file.text("/", "rng_contract"), "philox4x32-10/1");
  EXPECT_EQ(file.text("/", "config"), "model: \"\u00B5.onnx\"\n");
  EXPECT_EQ(file.text("/", "model_sha256"), "abc");
  EXPECT_EQ(file.text("/", "dataset_sha256"), "def");
}

TEST(ResultFile, ValuesUnitsNamesAndAxes) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "r.h5";
  {
    ResultWriter writer(path, provenance());
    writer.axis("/sweep/photons", std::vector<double>{1, 2.5}, "photon/MAC", "light");
    writer.axis("/layers/name", std::vector<std::string>{"conv1", "\u00B5", ""}, "node");
    writer.write("/sweep/accuracy", std::vector<double>{0.1, 0.2, 0.3, 0.4, 0.5, 0.6},
                 {"/sweep/photons", "/layers/name"}, "1", "accuracy");
    writer.write("/layers/macs", std::vector<std::int64_t>{1, 1LL << 60, -3}, {"/layers/name"},
                 "MAC", "multiplications");
    writer.write("/layers/light", std::vector<float>{0.5f, 1, 2}, {"/layers/name"}, "aJ", "light");
    writer.write("/layers/kind", std::vector<std::string>{"a", "b", "c"}, {"/layers/name"}, "kind");
    writer.scalar("/energy/total/joule", 1e-12, "J", "energy");
    writer.scalar("/note", std::string("a note"), "note");
    writer.attribute("/energy", "comment", "by component");
    writer.commit();
  }
  const File file(path);
  EXPECT_THAT(file.doubles("/sweep/accuracy"), ElementsAre(0.1, 0.2, 0.3, 0.4, 0.5, 0.6));
  EXPECT_THAT(file.extents("/sweep/accuracy"), ElementsAre(2, 3));
  EXPECT_TRUE(file.has_scale("/sweep/accuracy", "/sweep/photons", 0));
  EXPECT_TRUE(file.has_scale("/sweep/accuracy", "/layers/name", 1));
  EXPECT_FALSE(file.has_scale("/sweep/accuracy", "/layers/name", 0));
  EXPECT_TRUE(file.has_scale("/layers/kind", "/layers/name", 0));
  EXPECT_EQ(file.text("/sweep/photons", "units"), "photon/MAC");
  EXPECT_EQ(file.text("/sweep/photons", "long_name"), "light");
  EXPECT_EQ(file.text("/layers/macs", "units"), "MAC");
  EXPECT_EQ(file.text("/layers/kind", "units"), "1");
  EXPECT_THAT(file.texts("/layers/name"), ElementsAre("conv1", "\u00B5", ""));
  EXPECT_THAT(file.texts("/note"), ElementsAre("a note"));
  EXPECT_EQ(file.type_class("/layers/macs"), H5T_INTEGER);
  EXPECT_THAT(file.doubles("/layers/light"), ElementsAre(0.5, 1, 2));
  EXPECT_TRUE(file.extents("/energy/total/joule").empty());
  EXPECT_THAT(file.doubles("/energy/total/joule"), ElementsAre(1e-12));
  EXPECT_EQ(file.text("/energy", "comment"), "by component");
}

TEST(ResultFile, LargeDataSetsAreCompressedAndExact) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "r.h5";
  std::vector<double> rows(1000), columns(10);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<double>(i);
  std::vector<float> values(10000, 1.25f);
  values[9999] = -3;
  {
    ResultWriter writer(path, provenance());
    writer.axis("/row", rows, "1", "row");
    writer.axis("/column", columns, "1", "column");
    writer.write("/values", values, {"/row", "/column"}, "1", "values");
    writer.commit();
  }
  const File file(path);
  const auto read = file.doubles("/values");
  ASSERT_EQ(read.size(), values.size());
  EXPECT_EQ(read[0], 1.25);
  EXPECT_EQ(read[9999], -3);
  EXPECT_LT(std::filesystem::file_size(path), 30000U);
}

TEST(ResultFile, SummaryIsByPathAndHasTheProvenance) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "r.h5";
  {
    ResultWriter writer(path, provenance());
    writer.axis("/b/axis", std::vector<double>{1, 2}, "m", "an axis");
    writer.scalar("/a/value", 2.5, "J", "energy");
    writer.scalar("/c", std::string("text"), "words");
    writer.commit();
  }
  EXPECT_TRUE(is_result_file(path));
  const ResultSummary summary = read_result_summary(path);
  ASSERT_EQ(summary.entries.size(), 3U);
  EXPECT_EQ(summary.entries[0].path, "/a/value");
  EXPECT_EQ(summary.entries[0].value, 2.5);
  EXPECT_EQ(summary.entries[0].units, "J");
  EXPECT_EQ(summary.entries[1].path, "/b/axis");
  EXPECT_THAT(summary.entries[1].shape, ElementsAre(2));
  EXPECT_EQ(summary.entries[1].long_name, "an axis");
  EXPECT_FALSE(summary.entries[1].value);
  EXPECT_FALSE(summary.entries[2].value);
  std::map<std::string, std::string> attributes(summary.attributes.begin(),
                                                summary.attributes.end());
  EXPECT_EQ(attributes.at("seed"), "18446744073709551615");
  EXPECT_EQ(attributes.at("program_version"), program_version());
  EXPECT_EQ(summary.attributes.back().first, "config");
}

// ---- whole or not at all ----

TEST(ResultFile, NothingIsThereBeforeCommit) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "r.h5";
  {
    ResultWriter writer(path, provenance());
    writer.scalar("/value", 1, "J", "a value");
    EXPECT_FALSE(std::filesystem::exists(path));
  }
  EXPECT_TRUE(files_in(folder.path()).empty());
}

TEST(ResultFile, AWriterThatIsDestroyedLeavesTheOldFile) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "r.h5";
  write_small(path, 1);
  {
    ResultWriter writer(path, provenance());
    writer.scalar("/value", 2, "J", "a value");
  }
  EXPECT_EQ(read_small(path), 1);
  EXPECT_THAT(files_in(folder.path()), ElementsAre("r.h5"));
  write_small(path, 3);
  EXPECT_EQ(read_small(path), 3);
  EXPECT_THAT(files_in(folder.path()), ElementsAre("r.h5"));
}

TEST(ResultFile, AProcessThatIsKilledLeavesTheOldFile) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "r.h5";
  write_small(path, 1);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ResultWriter writer(path, provenance());
    writer.scalar("/value", 2, "J", "a value");
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  EXPECT_EQ(read_small(path), 1);
  // What it leaves behind says so by its name, and the next writer is not in its way.
  for (const std::string& name : files_in(folder.path())) {
    EXPECT_TRUE(name == "r.h5" || name == fmt::format("r.h5.{}.part", child)) << name;
  }
  write_small(path, 3);
  EXPECT_EQ(read_small(path), 3);
}

TEST(ResultFile, WhereNothingCanBeWrittenTheConstructorSaysSo) {
  const TemporaryFolder folder;
  const auto message = [](const std::filesystem::path& path) {
    return message_of<RunError>([&] { const ResultWriter writer(path, provenance()); });
  };
  const auto missing = folder.path() / "missing" / "r.h5";
  EXPECT_THAT(message(missing), AllOf(StartsWith(missing.string() + ": cannot be written ("),
                                      HasSubstr("Check that the folder exists")));
  EXPECT_THAT(message(folder.path()), HasSubstr("it is a directory"));
  if (geteuid() == 0) return;  // root may write anywhere
  std::filesystem::permissions(
      folder.path(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  EXPECT_THAT(message(folder.path() / "r.h5"), HasSubstr("cannot be written"));
}

// Even root writes nothing into /proc.
TEST(ResultFile, UnwritableFolder) {
  EXPECT_THAT(message_of<RunError>([] { const ResultWriter writer("/proc/r.h5", provenance()); }),
              StartsWith("/proc/r.h5: cannot be written ("));
}

TEST(ResultFile, MistakesOfTheProgrammerAreNamed) {
  const TemporaryFolder folder;
  ResultWriter writer(folder.path() / "r.h5", provenance());
  writer.axis("/x", std::vector<double>{1, 2}, "1", "x");
  EXPECT_THAT(message_of<RunError>([&] {
                writer.write("/y", std::vector<double>{1, 2}, {"/z"}, "1", "y");
              }),
              HasSubstr("refers to axis '/z'"));
  EXPECT_THAT(
      message_of<RunError>([&] { writer.write("/y", std::vector<double>{1}, {"/x"}, "1", "y"); }),
      HasSubstr("'/y' has 1 values for axes of 2"));
  EXPECT_THAT(message_of<RunError>([&] { writer.attribute("/none", "a", "b"); }),
              HasSubstr("'/none' cannot be written"));
  EXPECT_THAT(message_of<RunError>([&] { writer.attribute("/x", "units", "twice"); }),
              StartsWith((folder.path() / "r.h5").string() + ": attribute 'units' of '/x'"));
}

// ---- reading what others wrote ----

class ForeignFile : public testing::Test {
 protected:
  // A file with the given root attributes; an empty format writes none.
  std::filesystem::path write(const std::string& format, std::int64_t version) const {
    const auto path = folder_.path() / "foreign.h5";
    const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    if (!format.empty()) H5LTset_attribute_string(file, "/", "format", format.c_str());
    const auto number = static_cast<long long>(version);
    H5LTset_attribute_long_long(file, "/", "format_version", &number, 1);
    H5LTset_attribute_string(file, "/", "program_version", "9.8.7");
    H5Fclose(file);
    return path;
  }
  std::string refusal(const std::filesystem::path& path) const {
    return message_of<DataError>([&] { read_result_summary(path); });
  }
  TemporaryFolder folder_;
};

TEST_F(ForeignFile, AnotherMajorVersionNamesItsWriter) {
  const auto path = write("attojoule-result", 2);
  EXPECT_TRUE(is_result_file(path));
  EXPECT_EQ(refusal(path),
            path.string() +
                ": format version 2 (this program reads 1); it was written by attojoule "
                "9.8.7. Use that version of the program.");
}

TEST_F(ForeignFile, AnotherFormat) {
  EXPECT_THAT(refusal(write("somebody-else", 1)), HasSubstr(": format 'somebody-else'."));
  EXPECT_FALSE(is_result_file(write("somebody-else", 1)));
  EXPECT_THAT(refusal(write("", 1)), HasSubstr("no attojoule result"));
  EXPECT_FALSE(is_result_file(write("", 1)));
}

TEST_F(ForeignFile, NoFileAndNoHdf5) {
  EXPECT_THAT(refusal(folder_.path() / "none.h5"), HasSubstr("no such file"));
  EXPECT_THAT(refusal(folder_.write("text.h5", "hello")), HasSubstr("not an HDF5 file ("));
  EXPECT_FALSE(is_result_file(folder_.path() / "none.h5"));
  EXPECT_FALSE(is_result_file(folder_.write("text.h5", "hello")));
}

TEST_F(ForeignFile, Truncated) {
  const auto path = folder_.path() / "r.h5";
  write_small(path, 1);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  EXPECT_THAT(refusal(path), StartsWith(path.string() + ": not an HDF5 file ("));
}

}  // namespace
}  // namespace attojoule::data
