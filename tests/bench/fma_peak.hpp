// The machine's peak of single-precision fused multiply-adds on one core.
#pragma once

namespace attojoule::bench {

// GFLOP/s (two operations a fused multiply-add) of independent chains in the widest registers that
// the processor has; the best of several slices of a few milliseconds.
double fma_gflops();

}  // namespace attojoule::bench
