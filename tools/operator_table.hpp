// The table of operators in the documents: docs/operators.md.
#pragma once

#include <string>

namespace attojoule::tools {

std::string operators_markdown();

}  // namespace attojoule::tools
