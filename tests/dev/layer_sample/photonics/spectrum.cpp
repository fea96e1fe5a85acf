#include <fftw3.h>
#include "receiver.hpp"  // wrong: root
