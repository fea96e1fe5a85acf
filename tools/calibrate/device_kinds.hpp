// The kinds of `attojoule calibrate` that start from calibrations and not from measurements alone.
#pragma once

#include <vector>

#include "tools/verbs.hpp"

namespace attojoule::tools {

// Each in a file of its name.
Verb calibrate_validate();
Verb calibrate_diff();
Verb calibrate_export();

// In the order of the help.
inline std::vector<Verb> calibrate_device_kinds() {
  return {calibrate_validate(), calibrate_diff(), calibrate_export()};
}

}  // namespace attojoule::tools
