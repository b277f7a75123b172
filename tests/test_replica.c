/* test_replica.c: what several seeds say: figures of scipy.stats.t for mean, deviation and interval. */
#include <criterion/criterion.h>
#include <math.h>
#include "replica.h"

static void check(const double *v, long n, double mean, double sd, double low, double high)
{
    const sx_spread s = sx_spread_of(v, n);
    cr_assert_eq(s.n, n);
    cr_assert_float_eq(s.mean, mean, 1e-12);
    cr_assert_float_eq(s.sd, sd, 1e-12);
    cr_assert_float_eq(s.low, low, 1e-9, "%.12f", s.low);
    cr_assert_float_eq(s.high, high, 1e-9, "%.12f", s.high);
}

Test(replica, the_interval_of_student)
{
    check((double[]){ 0.94, 0.9412 }, 2, 0.9406, 0.0008485281374239206, 0.9329762771582946,
           0.9482237228417054);
    check((double[]){ 1.0, 2.0, 4.0 }, 3, 2.3333333333333335, 1.5275252316519465, -1.461249700263426,
           6.1279163669300925);
    check((double[]){ 0.9391, 0.9412, 0.9388, 0.9405, 0.9399 }, 5, 0.9399000000000001,
           0.000987420882906587, 0.9386739550386204, 0.9411260449613797);
    check((double[]){ 9.082, -0.111, 5.836, 3.864, 4.095, 4.569, 0.96, 4.536, 3.27, 11.646, 5.452, 4.295
           }, 12, 4.791166666666667, 3.157333853206857, 2.785092443556183, 6.797240889777152);
    check((double[]){ -1.0281, -1.0668, -1.1055, -1.0391, -0.9518, -1.0239, -0.9042, -1.02, -0.9976,
           -0.8454, -0.9455, -1.0505, -1.0183, -0.9459, -0.8065, -1.027, -1.0244, -0.8998, -1.0886,
           -1.0292, -0.9117, -0.942, -0.9908, -0.933, -1.2828, -0.8979, -1.096, -1.1669, -0.9724,
           -0.9299, -1.0445, -1.1076, -0.9974, -1.0053, -0.8594, -0.9253, -0.9806, -0.8888, -1.0206,
           -1.0926, -0.9416, -0.9417, -1.0215, -1.0783, -0.9771, -1.2494, -0.931, -0.9509, -1.1639,
           -0.9939, -1.0964, -0.9243, -1.2034, -1.0914, -0.929, -0.8844, -1.2158, -1.0498, -0.9672,
           -1.0609 }, 60, -1.0089249999999998, 0.09851040317600118, -1.034372935587151,
           -0.9834770644128488);
}

Test(replica, too_few_say_nothing)
{
    const sx_spread none = sx_spread_of(NULL, 0), one = sx_spread_of((double[]){ 3 }, 1);
    cr_assert(none.n == 0 && isnan(none.mean) && isnan(none.sd));
    cr_assert(one.n == 1 && one.mean == 3 && isnan(one.sd) && isnan(one.low) && isnan(one.high));
}
