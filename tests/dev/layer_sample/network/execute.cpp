#include "calibration/fit.hpp"  // wrong: layer
#include "data/config.hpp"      // wrong: layer
#include "tools/run.hpp"        // wrong: layer
#include "tests/helper.hpp"     // wrong: layer
#include <fftw3.h>              // wrong: one-file
