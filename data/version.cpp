#include "data/version.hpp"

#include "data/build_info.hpp"
#include "data/git_sha.hpp"

namespace attojoule::data {

const char* program_version() {
  return build_info::version;
}
const char* git_sha() {
  return build_info::git_sha;
}

}  // namespace attojoule::data
