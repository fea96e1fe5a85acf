// What `attojoule calibrate KIND` can do: each file tools/calibrate/KIND.cpp holds one, its help
// with an example that runs, and what it does.
#pragma once

#include <string>
#include <vector>

#include "data/lab_file.hpp"
#include "tools/verbs.hpp"

namespace attojoule::tools {

// A kind is described as a verb is.
Verb calibrate_inspect();
Verb calibrate_convert();

// All kinds, in the order of the help.
std::vector<Verb> calibrate_kinds();

// Options of how a file of measurements is read, the same for all kinds.
struct FileOptions {
  std::string columns;
  std::vector<std::string> units;
  std::string group;

  void define(CLI::App& app);
  data::LabReadOptions read_options() const { return {columns, units, group}; }
};

}  // namespace attojoule::tools
