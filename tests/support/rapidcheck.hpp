// RapidCheck with a fixed seed: a property is tested on the same cases every time. Other cases:
// RC_PARAMS="seed=7 max_success=10000" before the test program's name.
#pragma once

#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cstdlib>

namespace attojoule::tests {

// RapidCheck reads its parameters at the first property, after all constants are initialised.
inline const int rapidcheck_seed_is_fixed = setenv("RC_PARAMS", "seed=1", 0);

}  // namespace attojoule::tests
