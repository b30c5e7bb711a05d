/* SPDX-License-Identifier: BSD-3-Clause */
#include "include/blob.h"
