// attojoule calibrate convert: a measurement file in one of the program's own formats.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>

#include "photonics/error.hpp"
#include "tools/calibrate/kinds.hpp"

namespace attojoule::tools {
namespace {

struct Options {
  std::string file, out;
  FileOptions reading;
};

int run(const Options& options, const Streams& streams) {
  const std::filesystem::path out = options.out;
  const std::string extension = out.extension().string();
  const bool hdf5 = extension == ".h5" || extension == ".hdf5";
  if (!hdf5 && extension != ".csv") {
    throw ConfigError(
        fmt::format("--out: \"{}\" is neither .csv nor .h5 (the name states the "
                    "format). Write for example --out converted.csv.",
                    options.out));
  }
  std::error_code ignored;
  if (std::filesystem::equivalent(out, options.file, ignored)) {
    throw ConfigError("--out: this is the input itself. Give another name.");
  }
  const auto table = data::read_lab_file(options.file, options.reading.read_options());
  hdf5 ? data::write_lab_hdf5(table, out) : data::write_lab_csv(table, out);
  streams.out << fmt::format("{}: {} columns, {} rows -> {}\n", table.format, table.columns.size(),
                             table.rows(), out.string());
  for (const auto& warning : table.warnings) {
    streams.err << fmt::format("warning: {}: {}\n", table.file.string(), warning);
  }
  return 0;
}

}  // namespace

Verb calibrate_convert() {
  Verb verb;
  verb.name = "convert";
  verb.summary = "Writes a measurement file as CSV with units, or as HDF5";
  verb.description =
      "Numbers are kept bit for bit and in the units of the file; settings, and the name and\n"
      "sha256 of the source, go along. Either format reads back as it was.\n"
      "Exit codes: 0 ok, 1 cannot be written, 2 usage, 3 the file cannot be read.";
  verb.examples = {
      "attojoule calibrate convert data/laboratory/own_with_units.csv --out converted.h5"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    app.add_option("file", options->file, "Measurement file")->required();
    app.add_option("--out", options->out, "Name of the new file, .csv or .h5")->required();
    options->reading.define(app);
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
