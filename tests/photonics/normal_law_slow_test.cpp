#include <gtest/gtest.h>

#include "tests/photonics/normal_verdict.hpp"

namespace attojoule::photonics {
namespace {

TEST(NormalLaw, MomentsTailsAndChiSquareOfAQuarterBillion) {
  tests::expect_normal(tests::judge_normals(2, std::size_t{1} << 28, 1.0f));
}

}  // namespace
}  // namespace attojoule::photonics
