// Which program this is.
#pragma once

namespace attojoule::data {

const char* program_version();  // "0.1.0"
const char* git_sha();          // commit, "-dirty" where files differed from it, or "unknown"

}  // namespace attojoule::data
