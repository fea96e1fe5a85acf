// The vector kernels behind random.hpp, for code that has its own Highway pass and wants the random
// numbers in registers instead of in memory. Include it inside a foreach_target section, after
// hwy/highway.h; everything else uses random.hpp.
//
// Layout of a stream. Philox blocks are numbered; block b gives four words. Element e of a stream
// lies in group g = e / 64, inside it in word w = (e % 64) / 16 of block 16 g + l, l = e % 16.
// A vector of 16 consecutive blocks (or 8, 4, 1: whatever divides 16) therefore fills four
// contiguous runs of output, and the mapping does not depend on the length of a vector:
//
//     element   64 g + 16 w + l   <-   word w of Philox(block 16 g + l)
//
// Counter words: block, sample, domain << 24 | layer, read. Key: the seed, low word first.
//
// Normal numbers come in pairs from words (0, 1) and (2, 3) by the Box-Muller transform (Box and
// Muller, Ann. Math. Stat. 29, 610, 1958), turned by 45 degrees. With u in (0, 1) from 31 bits of
// the first word, phi in [-pi/4, pi/4] from the second and two spare bits as signs,
//
//     z = +- sqrt(-ln u) (cos phi -+ sin phi),
//
// which is sqrt(-2 ln u) times cosine and sine of phi + pi/4 in one quadrant, and the signs choose
// the quadrant: no argument reduction. The logarithm, sine and cosine are minimax polynomials
// (Remez, computed for this file), largest relative errors 1.7e-7, 3.3e-9 and 3.3e-8. The largest
// |z| is sqrt(2 ln 2^32) = 6.66; beyond it a normal number would lie once in 4e10.
//
// Every operation is either exact, correctly rounded (IEEE 754 +, -, *, /, sqrt, conversion) or a
// fused multiply-add asked for by name, so AVX-512, AVX2, NEON and SVE give the same bits. Targets
// without a fused multiply-add (SSSE3, SSE4, emulated and scalar) round twice there; see
// random.hpp.
#if defined(ATTOJOULE_PHOTONICS_RANDOM_SIMD_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTOJOULE_PHOTONICS_RANDOM_SIMD_HPP
#undef ATTOJOULE_PHOTONICS_RANDOM_SIMD_HPP
#else
#define ATTOJOULE_PHOTONICS_RANDOM_SIMD_HPP
#endif

#include <hwy/highway.h>

#include "photonics/philox.hpp"
#include "photonics/random_plan.hpp"

HWY_BEFORE_NAMESPACE();
namespace attojoule::photonics::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::CappedTag<float, random_lanes_per_run>;
using WordTag = hn::Rebind<std::uint32_t, FloatTag>;
using IntTag = hn::Rebind<std::int32_t, FloatTag>;
using FloatVec = hn::Vec<FloatTag>;
using WordVec = hn::Vec<WordTag>;
using IntVec = hn::Vec<IntTag>;

// Words 0..3 of the Lanes(FloatTag) consecutive blocks that start at `block`.
#if HWY_TARGET == HWY_SCALAR

HWY_INLINE void philox_blocks(const RandomPlan& plan, std::uint64_t block, WordVec& w0, WordVec& w1,
                              WordVec& w2, WordVec& w3) {
  const WordTag d;
  const PhiloxCounter x = philox4x32(
      {static_cast<std::uint32_t>(block), plan.counter[1], plan.counter[2], plan.counter[3]},
      plan.key);
  w0 = hn::Set(d, x[0]);
  w1 = hn::Set(d, x[1]);
  w2 = hn::Set(d, x[2]);
  w3 = hn::Set(d, x[3]);
}

#else

// Each state word sits in the low half of a 64-bit lane: the widening multiplication ignores the
// high half, so nothing is repacked between rounds. A vector of words is two wide vectors, a and b,
// whose chains run interleaved to hide the latency of the multiplications.
class PhiloxBlocks {
 public:
  using WideTag = hn::RepartitionToWide<WordTag>;
  using WideVec = hn::Vec<WideTag>;

  // Where the first round begins: the products of the block numbers with the first multiplier. From
  // one vector of blocks to the next they grow by a constant.
  class Start {
   public:
    HWY_INLINE explicit Start(std::uint64_t block) {
      const WideTag d;
      // Iota with a constant start is a constant; with a variable one gcc builds it in memory, lane
      // by lane, and stalls on loading it.
      const auto lane = hn::Iota(d, 0);
      a_ = times_0(hn::Add(lane, hn::Set(d, block)));
      b_ = times_0(hn::Add(lane, hn::Set(d, block + hn::Lanes(d))));
    }
    HWY_INLINE void advance() {
      const WideTag d;
      const auto step = hn::Set(d, std::uint64_t{philox_multiplier_0} * 2 * hn::Lanes(d));
      a_ = hn::Add(a_, step);
      b_ = hn::Add(b_, step);
    }

   private:
    friend class PhiloxBlocks;
    WideVec a_, b_;
  };

  // Rounds 0 to 2. Only the block number differs between lanes. Its influence takes three rounds to
  // reach every word; what does not depend on it yet is in the plan.
  HWY_INLINE PhiloxBlocks(const RandomPlan& plan, const Start& start) {
    const WideTag d;
    a3_ = start.a_;
    b3_ = start.b_;
    a2_ = hn::Xor(high(a3_), hn::Set(d, plan.round0_word2));
    b2_ = hn::Xor(high(b3_), hn::Set(d, plan.round0_word2));

    a1_ = times_1(a2_);
    b1_ = times_1(b2_);
    a0_ = hn::Xor(high(a1_), hn::Set(d, plan.round1_word0));
    b0_ = hn::Xor(high(b1_), hn::Set(d, plan.round1_word0));
    a2_ = hn::Xor(a3_, hn::Set(d, plan.round1_word2));
    b2_ = hn::Xor(b3_, hn::Set(d, plan.round1_word2));

    a3_ = times_0(a0_);
    b3_ = times_0(b0_);
    const auto a_product = times_1(a2_);
    const auto b_product = times_1(b2_);
    a0_ = hn::Xor3(high(a_product), a1_, hn::Set(d, plan.round_key_0[2]));
    b0_ = hn::Xor3(high(b_product), b1_, hn::Set(d, plan.round_key_0[2]));
    a2_ = hn::Xor(high(a3_), hn::Set(d, plan.round2_word2));
    b2_ = hn::Xor(high(b3_), hn::Set(d, plan.round2_word2));
    a1_ = a_product;
    b1_ = b_product;
  }

  static constexpr int first_round = 3;

  HWY_INLINE void round(const RandomPlan& plan, int number) {
    const WideTag d;
    const auto key_0 = hn::Set(d, plan.round_key_0[static_cast<std::size_t>(number)]);
    const auto key_1 = hn::Set(d, plan.round_key_1[static_cast<std::size_t>(number)]);
    const auto a_product_0 = times_0(a0_);
    const auto b_product_0 = times_0(b0_);
    const auto a_product_1 = times_1(a2_);
    const auto b_product_1 = times_1(b2_);
    a0_ = hn::Xor3(high(a_product_1), a1_, key_0);
    b0_ = hn::Xor3(high(b_product_1), b1_, key_0);
    a2_ = hn::Xor3(high(a_product_0), a3_, key_1);
    b2_ = hn::Xor3(high(b_product_0), b3_, key_1);
    a1_ = a_product_1;
    b1_ = b_product_1;
    a3_ = a_product_0;
    b3_ = b_product_0;
  }

  HWY_INLINE void words(WordVec& w0, WordVec& w1, WordVec& w2, WordVec& w3) const {
    w0 = low_words(a0_, b0_);
    w1 = low_words(a1_, b1_);
    w2 = low_words(a2_, b2_);
    w3 = low_words(a3_, b3_);
  }

 private:
  static HWY_INLINE WideVec times_0(WideVec x) {
    const WordTag dw;
    const WideTag d;
    return hn::MulEven(hn::BitCast(dw, x),
                       hn::BitCast(dw, hn::Set(d, std::uint64_t{philox_multiplier_0})));
  }
  static HWY_INLINE WideVec times_1(WideVec x) {
    const WordTag dw;
    const WideTag d;
    return hn::MulEven(hn::BitCast(dw, x),
                       hn::BitCast(dw, hn::Set(d, std::uint64_t{philox_multiplier_1})));
  }
  // The high half where the low one was; what that leaves in the high half does not matter. More
  // units shuffle than shift.
  static HWY_INLINE WideVec high(WideVec x) {
    const WordTag dw;
    const WideTag d;
    return hn::BitCast(d, hn::Shuffle2301(hn::BitCast(dw, x)));
  }
  static HWY_INLINE WordVec low_words(WideVec a, WideVec b) {
    const WordTag dw;
    return hn::ConcatEven(dw, hn::BitCast(dw, b), hn::BitCast(dw, a));
  }

  WideVec a0_, a1_, a2_, a3_, b0_, b1_, b2_, b3_;
};

HWY_INLINE void philox_blocks(const RandomPlan& plan, std::uint64_t block, WordVec& w0, WordVec& w1,
                              WordVec& w2, WordVec& w3) {
  PhiloxBlocks blocks(plan, PhiloxBlocks::Start(block));
  HWY_UNROLL(7)
  for (int round = PhiloxBlocks::first_round; round < philox_rounds; ++round) {
    blocks.round(plan, round);
  }
  blocks.words(w0, w1, w2, w3);
}

#endif

// u = (k + 1/2) / 2^23 from the top 23 bits: exact in float, never 0 or 1.
HWY_INLINE FloatVec uniform_from_words(WordVec words) {
  const FloatTag d;
  const auto k = hn::ConvertTo(d, hn::BitCast(IntTag(), hn::ShiftRight<9>(words)));
  return hn::Mul(hn::Add(k, hn::Set(d, 0.5f)), hn::Set(d, 0x1p-23f));
}

// Two words a lane on their way to two normal numbers, step by step, so that other work can be put
// between the steps: each waits for the one before.
class NormalPair {
 public:
  HWY_INLINE NormalPair(WordVec radius_word, WordVec angle_word) {
    const FloatTag d;
    const IntTag di;
    // -ln u with u = (k + 1/2) / 2^31. The scale 2^-31 is taken off the exponent, not multiplied
    // in, and mantissas are cut at sqrt(1/2), so that u near 1 keeps its relative accuracy.
    radius_ = hn::ConvertTo(d, hn::BitCast(di, hn::ShiftRight<1>(radius_word)));
    angle_ = hn::ConvertTo(d, hn::BitCast(di, angle_word));
    sign_0_ = hn::BitCast(d, hn::ShiftLeft<31>(radius_word));
    sign_1_ = hn::BitCast(d, hn::ShiftLeft<31>(angle_word));
  }

  static constexpr int steps = 12;

  template <int step>
  HWY_INLINE void advance() {
    const FloatTag d;
    const IntTag di;
    if constexpr (step == 0) {
      radius_ = hn::Add(radius_, hn::Set(d, 0.5f));
      angle_ = hn::Mul(angle_, hn::Set(d, 0x1p-31f));
    } else if constexpr (step == 1) {
      const IntVec bits = hn::BitCast(di, radius_);
      const IntVec exponent =  // times 2^23
          hn::And(hn::Sub(bits, hn::Set(di, 0x3F3504F3)), hn::Set(di, -0x800000));
      radius_ = hn::BitCast(d, hn::Sub(bits, exponent));
      halvings_ = hn::ConvertTo(d, hn::Sub(hn::Set(di, 31 << 23), exponent));
      angle2_ = hn::Mul(angle_, angle_);
    } else if constexpr (step == 2) {
      radius_ = hn::Sub(radius_, hn::Set(d, 1.0f));
      halvings_ = hn::Mul(halvings_, hn::Set(d, 0x1p-23f * 0.693147180560f));
      sine_ = hn::MulAdd(hn::Set(d, -3.59504522965e-5f), angle2_, hn::Set(d, 0.00249000102493f));
      cosine_ = hn::MulAdd(hn::Set(d, -0.000318727836645f), angle2_, hn::Set(d, 0.0158496841714f));
    } else if constexpr (step == 3) {
      log_ = hn::MulAdd(hn::Set(d, -0.101069806856f), radius_, hn::Set(d, 0.162226166649f));
      sine_ = hn::MulAdd(sine_, angle2_, hn::Set(d, -0.08074543253f));
      cosine_ = hn::MulAdd(cosine_, angle2_, hn::Set(d, -0.308424165596f));
    } else if constexpr (step == 4) {
      log_ = hn::MulAdd(log_, radius_, hn::Set(d, -0.172508178652f));
      sine_ = hn::MulAdd(sine_, angle2_, hn::Set(d, 0.785398160854f));
      cosine_ = hn::MulAdd(cosine_, angle2_, hn::Set(d, 0.999999967387f));
    } else if constexpr (step == 5) {
      log_ = hn::MulAdd(log_, radius_, hn::Set(d, 0.199001613154f));
      sine_ = hn::Mul(sine_, angle_);
    } else if constexpr (step == 6) {
      log_ = hn::MulAdd(log_, radius_, hn::Set(d, -0.24969909701f));
      angle_ = hn::Sub(cosine_, sine_);
      angle2_ = hn::Add(cosine_, sine_);
    } else if constexpr (step == 7) {
      log_ = hn::MulAdd(log_, radius_, hn::Set(d, 0.333350590306f));
      angle_ = hn::Xor(angle_, sign_0_);
      angle2_ = hn::Xor(angle2_, sign_1_);
    } else if constexpr (step == 8) {
      log_ = hn::MulAdd(log_, radius_, hn::Set(d, -0.500003651104f));
    } else if constexpr (step == 9) {
      log_ = hn::MulAdd(log_, radius_, hn::Set(d, 0.999999945305f));
    } else if constexpr (step == 10) {
      radius_ = hn::NegMulAdd(log_, radius_, halvings_);
    } else if constexpr (step == 11) {
      radius_ = hn::Sqrt(radius_);
    }
  }

  HWY_INLINE FloatVec first() const { return hn::Mul(radius_, angle_); }
  HWY_INLINE FloatVec second() const { return hn::Mul(radius_, angle2_); }

 private:
  FloatVec radius_;  // k, mantissa, mantissa - 1, then the root of minus the logarithm
  FloatVec angle_;   // x = phi / (pi/4), then +- (cos - sin)
  FloatVec angle2_;  // x^2, then +- (cos + sin)
  FloatVec log_, halvings_, sine_, cosine_, sign_0_, sign_1_;
};

template <int step = 0>
HWY_INLINE void finish(NormalPair& pair) {
  if constexpr (step < NormalPair::steps) {
    pair.advance<step>();
    finish<step + 1>(pair);
  }
}

HWY_INLINE void normal_pair_from_words(WordVec radius_word, WordVec angle_word, FloatVec& first,
                                       FloatVec& second) {
  NormalPair pair(radius_word, angle_word);
  finish(pair);
  first = pair.first();
  second = pair.second();
}

// Four vectors of normal numbers: elements 64 g + 16 w + l of word w, block = 16 g + l.
HWY_INLINE void normals_of_blocks(const RandomPlan& plan, std::uint64_t block, FloatVec& z0,
                                  FloatVec& z1, FloatVec& z2, FloatVec& z3) {
  WordVec w0, w1, w2, w3;
  philox_blocks(plan, block, w0, w1, w2, w3);
  normal_pair_from_words(w0, w1, z0, z1);
  normal_pair_from_words(w2, w3, z2, z3);
}

// The same for a row of blocks: while the words of one become normal numbers, those of the next are
// drawn. Either chain alone leaves half of the arithmetic units waiting, and a processor does not
// look far enough ahead to overlap them by itself.
class NormalSequence {
 public:
  HWY_INLINE NormalSequence(const RandomPlan& plan, std::uint64_t first_block)
#if HWY_TARGET <= HWY_AVX3
      : start_(first_block)
#else
      : block_(first_block)
#endif
  {
    philox_blocks(plan, first_block, w0_, w1_, w2_, w3_);
  }

  // Of the first blocks, at the second call of those that follow them, and so on.
  HWY_INLINE void next(const RandomPlan& plan, FloatVec& z0, FloatVec& z1, FloatVec& z2,
                       FloatVec& z3) {
#if HWY_TARGET <= HWY_AVX3
    NormalPair p(w0_, w1_);
    NormalPair q(w2_, w3_);
    start_.advance();
    PhiloxBlocks blocks(plan, start_);
    both<0>(p, q);
    blocks.round(plan, 3);
    both<1>(p, q);
    blocks.round(plan, 4);
    both<2>(p, q);
    both<3>(p, q);
    blocks.round(plan, 5);
    both<4>(p, q);
    both<5>(p, q);
    blocks.round(plan, 6);
    both<6>(p, q);
    both<7>(p, q);
    blocks.round(plan, 7);
    both<8>(p, q);
    both<9>(p, q);
    blocks.round(plan, 8);
    both<10>(p, q);
    blocks.round(plan, 9);
    both<11>(p, q);
    blocks.words(w0_, w1_, w2_, w3_);
    z0 = p.first();
    z1 = p.second();
    z2 = q.first();
    z3 = q.second();
#else
    // Sixteen registers do not hold both.
    normal_pair_from_words(w0_, w1_, z0, z1);
    normal_pair_from_words(w2_, w3_, z2, z3);
    block_ += hn::Lanes(FloatTag());
    philox_blocks(plan, block_, w0_, w1_, w2_, w3_);
#endif
  }

 private:
  template <int step>
  static HWY_INLINE void both(NormalPair& p, NormalPair& q) {
    p.advance<step>();
    q.advance<step>();
  }

#if HWY_TARGET <= HWY_AVX3
  PhiloxBlocks::Start start_;
#else
  std::uint64_t block_;
#endif
  WordVec w0_, w1_, w2_, w3_;
};

// e^-x for x in [0, 87], relative error 1e-7 (+ one rounding of the argument).
HWY_INLINE FloatVec exp_minus(FloatVec x) {
  const FloatTag d;
  const IntTag di;
  const auto y = hn::Mul(x, hn::Set(d, -1.44269504089f));
  const auto n = hn::Round(y);
  // Two-part ln 2: the argument of the polynomial keeps the low bits of x.
  auto r = hn::NegMulAdd(n, hn::Set(d, 0.693145751953125f), hn::Neg(x));
  r = hn::NegMulAdd(n, hn::Set(d, 1.42860682030941723e-6f), r);
  const auto f = hn::Mul(r, hn::Set(d, 1.44269504089f));
  auto p = hn::Set(d, 0.00132764889686f);
  p = hn::MulAdd(p, f, hn::Set(d, 0.00967554152911f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.0555071322173f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.240221197184f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.69314696709f));
  p = hn::MulAdd(p, f, hn::Set(d, 1.00000007166f));
  const auto scale = hn::ShiftLeft<23>(hn::Add(hn::ConvertTo(di, n), hn::Set(di, 127)));
  return hn::Mul(p, hn::BitCast(d, scale));
}

// Upper tail of the normal law, Q(z) = P(Z > z): e^(-z^2/2) times a polynomial in 1/(1 + 0.35 |z|)
// (relative error 2e-7) for z >= 0, 1 - Q(-z) below. |z| <= 6.8.
HWY_INLINE FloatVec normal_upper_tail(FloatVec z) {
  const FloatTag d;
  const auto x = hn::Abs(z);
  const auto one = hn::Set(d, 1.0f);
  const auto t = hn::Div(one, hn::MulAdd(hn::Set(d, 0.35f), x, one));
  auto p = hn::Set(d, 0.0455281859238f);
  p = hn::MulAdd(p, t, hn::Set(d, -0.186915785907f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.212375448316f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.0113615987517f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.139362887165f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.138998051173f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.139238872027f));
  p = hn::MulAdd(p, t, hn::Set(d, 5.08402940206e-5f));
  const auto tail = hn::Mul(exp_minus(hn::Mul(hn::Mul(x, x), hn::Set(d, 0.5f))), p);
  return hn::IfThenElse(hn::Lt(z, hn::Zero(d)), hn::Sub(one, tail), tail);
}

// Poisson quantile for means >= poisson_series_mean. The Cornish-Fisher series of the continuous
// quantile x(z), defined by P(x, mean) = Q(z) with the regularised incomplete gamma function, in
// powers of mean^(-1/2), to the term mean^(-3/2); the count is floor(x). The integer part of the
// mean is set aside first, so that the floor acts on a number of the size of the spread and stays
// exact where a float no longer resolves mean + fraction.
HWY_INLINE FloatVec poisson_series(FloatVec mean, FloatVec z) {
  const FloatTag d;
  const auto whole = hn::Floor(mean);
  const auto root = hn::Sqrt(mean);
  const auto inverse = hn::Div(hn::Set(d, 1.0f), root);
  const auto z2 = hn::Mul(z, z);
  auto term_3 = hn::MulAdd(hn::Set(d, -23.0f / 17280), z2, hn::Set(d, -137.0f / 38880));
  term_3 = hn::Mul(hn::MulAdd(term_3, z2, hn::Set(d, 671.0f / 38880)), z);
  auto term_2 = hn::MulAdd(hn::Set(d, 1.0f / 270), z2, hn::Set(d, 7.0f / 810));
  term_2 = hn::MulAdd(term_2, z2, hn::Set(d, -8.0f / 405));
  const auto term_1 = hn::Mul(hn::MulAdd(hn::Set(d, -1.0f / 72), z2, hn::Set(d, -1.0f / 36)), z);
  const auto term_0 = hn::MulAdd(hn::Set(d, 1.0f / 6), z2, hn::Set(d, 1.0f / 3));
  auto series = hn::MulAdd(term_3, inverse, term_2);
  series = hn::MulAdd(series, inverse, term_1);
  series = hn::MulAdd(series, inverse, term_0);
  const auto deviation = hn::Add(hn::MulAdd(root, z, series), hn::Sub(mean, whole));
  return hn::Max(hn::Add(whole, hn::Floor(deviation)), hn::Zero(d));
}

// The state of the search below for one vector of elements.
HWY_INLINE void begin_inversion(FloatVec mean, FloatVec z, FloatVec& u, FloatVec& tail, FloatVec& p,
                                FloatVec& count) {
  const FloatTag d;
  const auto one = hn::Set(d, 1.0f);
  u = normal_upper_tail(z);
  const auto p0 = exp_minus(mean);
  // 1 - e^-m loses its digits where m is small: a polynomial up to m = 0.5 (relative error 8e-8).
  auto q = hn::Set(d, 0.00677103650043f);
  q = hn::MulAdd(q, mean, hn::Set(d, -0.041001277102f));
  q = hn::MulAdd(q, mean, hn::Set(d, 0.16654815088f));
  q = hn::MulAdd(q, mean, hn::Set(d, -0.499992498411f));
  q = hn::MulAdd(q, mean, hn::Set(d, 0.999999922726f));
  tail = hn::IfThenElse(hn::Lt(mean, hn::Set(d, 0.5f)), hn::Mul(q, mean), hn::Sub(one, p0));
  p = hn::Mul(p0, mean);
  count = hn::Zero(d);
}

// One step: counts where u < P(N > k - 2), p = P(N = k - 1). Returns the lanes that counted.
HWY_INLINE hn::Mask<FloatTag> step_inversion(FloatVec mean, FloatVec reciprocal, FloatVec u,
                                             FloatVec& tail, FloatVec& p, FloatVec& count) {
  const FloatTag d;
  const auto above = hn::Lt(u, hn::Min(tail, hn::Mul(p, hn::Set(d, 512.0f))));
  count = hn::Add(count, hn::IfThenElseZero(above, hn::Set(d, 1.0f)));
  tail = hn::Sub(tail, p);
  p = hn::Mul(p, hn::Mul(mean, reciprocal));
  return above;
}

// Poisson quantiles for means below poisson_series_mean by inversion: the number of k >= 0 with
// u < P(N > k), u = Q(z). Lanes whose mean is larger must be handed in as 0. Four vectors at a
// time, because one alone waits for its own multiplications.
//
// The tail P(N > k) is built by subtraction and keeps an absolute error of about 1e-7. It is capped
// by 512 P(N = k + 1), which it never exceeds for these means, so that the search ends by itself
// where the rounding error would outlive the tail (u < 1e-7).
HWY_INLINE void poisson_inversion(FloatVec mean0, FloatVec mean1, FloatVec mean2, FloatVec mean3,
                                  FloatVec& z0, FloatVec& z1, FloatVec& z2, FloatVec& z3) {
  const FloatTag d;
  FloatVec u0, u1, u2, u3, tail0, tail1, tail2, tail3, p0, p1, p2, p3, n0, n1, n2, n3;
  begin_inversion(mean0, z0, u0, tail0, p0, n0);
  begin_inversion(mean1, z1, u1, tail1, p1, n1);
  begin_inversion(mean2, z2, u2, tail2, p2, n2);
  begin_inversion(mean3, z3, u3, tail3, p3, n3);
  for (std::size_t k = 2;; ++k) {
    const auto reciprocal = hn::Set(d, reciprocal_of_integer[k]);
    const auto above0 = step_inversion(mean0, reciprocal, u0, tail0, p0, n0);
    const auto above1 = step_inversion(mean1, reciprocal, u1, tail1, p1, n1);
    const auto above2 = step_inversion(mean2, reciprocal, u2, tail2, p2, n2);
    const auto above3 = step_inversion(mean3, reciprocal, u3, tail3, p3, n3);
    if (hn::AllFalse(d, hn::Or(hn::Or(above0, above1), hn::Or(above2, above3)))) break;
  }
  z0 = n0;
  z1 = n1;
  z2 = n2;
  z3 = n3;
}

// Poisson numbers at the quantiles of the normal numbers z: smallest n with
// P(N <= n) >= P(Z <= z). Means in [0, poisson_largest_mean], four vectors at a time; the counts
// replace the z.
HWY_INLINE void poisson_quantiles(FloatVec mean0, FloatVec mean1, FloatVec mean2, FloatVec mean3,
                                  FloatVec& z0, FloatVec& z1, FloatVec& z2, FloatVec& z3) {
  const FloatTag d;
  const auto limit = hn::Set(d, poisson_series_mean);
  const auto smallest = hn::Min(hn::Min(mean0, mean1), hn::Min(mean2, mean3));
  const auto largest = hn::Max(hn::Max(mean0, mean1), hn::Max(mean2, mean3));
  if (hn::AllTrue(d, hn::Ge(smallest, limit))) {
    z0 = poisson_series(mean0, z0);
    z1 = poisson_series(mean1, z1);
    z2 = poisson_series(mean2, z2);
    z3 = poisson_series(mean3, z3);
    return;
  }
  if (hn::AllTrue(d, hn::Lt(largest, limit))) {
    poisson_inversion(mean0, mean1, mean2, mean3, z0, z1, z2, z3);
    return;
  }
  const auto below0 = hn::Lt(mean0, limit);
  const auto below1 = hn::Lt(mean1, limit);
  const auto below2 = hn::Lt(mean2, limit);
  const auto below3 = hn::Lt(mean3, limit);
  const auto n0 = poisson_series(mean0, z0);
  const auto n1 = poisson_series(mean1, z1);
  const auto n2 = poisson_series(mean2, z2);
  const auto n3 = poisson_series(mean3, z3);
  poisson_inversion(hn::IfThenElseZero(below0, mean0), hn::IfThenElseZero(below1, mean1),
                    hn::IfThenElseZero(below2, mean2), hn::IfThenElseZero(below3, mean3), z0, z1,
                    z2, z3);
  z0 = hn::IfThenElse(below0, z0, n0);
  z1 = hn::IfThenElse(below1, z1, n1);
  z2 = hn::IfThenElse(below2, z2, n2);
  z3 = hn::IfThenElse(below3, z3, n3);
}

}  // namespace attojoule::photonics::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
