#include <CLI/CLI.hpp>

#include "tools/calibrate/kinds.hpp"

namespace attojoule::tools {

std::vector<Verb> calibrate_kinds() {
  return {calibrate_inspect(), calibrate_convert(), calibrate_psd(), calibrate_allan(),
          calibrate_weights(), calibrate_adc(),     calibrate_s21(), calibrate_nonlinearity()};
}

void FileOptions::define(CLI::App& app) {
  app.add_option("--columns", columns,
                 "Names and units of a file without a header: \"I [A], P [W]\"");
  app.add_option("--unit", units,
                 "Unit of a column that has none in the file: P_LO=mW (repeatable)")
      ->allow_extra_args(false);
  app.add_option("--group", group, "Group of an HDF5 file that holds the columns");
}

}  // namespace attojoule::tools
