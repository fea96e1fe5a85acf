// Element-by-element functions that oneDNN does not have, in vector registers.
// Test: tests/network/activations_test.cpp, against the C library in double precision.
#pragma once

#include <cstdint>

namespace attojoule::network {

// out[i] = erf(x[i]), error below 3e-7 of the value. `out` may be `x`.
void error_function(const float* x, std::int64_t count, float* out);

// out[i] = x/2 (1 + erf(x / sqrt 2)), absolute error below 2e-7 (1 + |x|). `out` may be `x`.
void gelu(const float* x, std::int64_t count, float* out);

}  // namespace attojoule::network
