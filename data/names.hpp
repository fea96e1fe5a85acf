// The known name nearest to a misspelt one, for error messages.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace attojoule::data {

// The candidate with the least edit distance (insert, delete, replace, swap of neighbours; case
// differences count half) to `name`; empty when no candidate is near enough to be a likely meaning,
// i.e. when more than a third of the longer word, and more than one letter, would have to change. A
// name that differs in case only is always near.
// Tests: tests/data/config_test.cpp.
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);

// "a, b, c"; "(none)" when empty.
std::string joined_names(const std::vector<std::string>& names);

// User text as it may stand in one line of an error message: at most 60 bytes (cut at a character
// boundary, then "..."), control characters replaced by '?'.
std::string shown_text(std::string_view text);

}  // namespace attojoule::data
