// Where the shipped files are: device presets, the default model and experiment.
#pragma once

#include <filesystem>

namespace attojoule::data {

// The folder `data` of the source tree this program was built in or, for an installed program,
// ../share/attojoule/data beside its binary. Throws RunError if neither is there.
std::filesystem::path data_directory();

}  // namespace attojoule::data
