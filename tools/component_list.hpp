// The component library as `attojoule info components` shows it.
#pragma once

#include <ostream>

#include "data/component_library.hpp"

namespace attojoule::tools {

void list_components(const data::ComponentLibrary& library, bool json, std::ostream& out);

}  // namespace attojoule::tools
