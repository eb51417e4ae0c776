package dev.wasmworker.internal;

/**
 * The functions of {@code java.lang.Math} that TeaVM expects of a browser and WebAssembly does not have. The Maven plugin puts them in
 * the place of the originals. Errors are a few units in the last place; arguments of sin, cos and tan beyond a million lose accuracy.
 */
public final class Functions {
    private static final double LN2_HIGH = 0x1.62e42feep-1;
    private static final double LN2_LOW = 0x1.a39ef35793c76p-33;
    /** Pi / 2 in three pieces of 33 bits, and the rest: multiples up to 2^20 of the pieces are exact. */
    private static final double HALF_PI_1 = 0x1.921fb544p0;
    private static final double HALF_PI_2 = 0x1.0b4611a6p-34;
    private static final double HALF_PI_3 = 0x1.3198a2ep-69;
    private static final double HALF_PI_4 = 0x1.b839a252049c1p-104;
    private static final double SQRT_3 = 1.7320508075688772;

    private Functions() {
    }

    public static double exp(double x) {
        if (x != x || x > 709.782712893384) {
            return x != x ? x : Double.POSITIVE_INFINITY;
        } else if (x < -745.1332191019412) {
            return 0;
        }
        int k = (int) nearest(x / 0.6931471805599453);
        double r = x - k * LN2_HIGH - k * LN2_LOW;
        double sum = 1;
        for (int i = 14; i > 0; i--) {
            sum = 1 + r / i * sum;
        }
        // In two steps, since 2^k alone may be too large or too small for a double.
        int half = k / 2;
        return sum * powerOfTwo(half) * powerOfTwo(k - half);
    }

    public static double log(double x) {
        if (!(x > 0) || x == Double.POSITIVE_INFINITY) {
            return x == 0 ? Double.NEGATIVE_INFINITY : x > 0 ? x : Double.NaN;
        }
        int exponent = 0;
        if (x < Double.MIN_NORMAL) {
            x *= 0x1p54;
            exponent = -54;
        }
        long bits = Double.doubleToRawLongBits(x);
        exponent += (int) (bits >> 52) - 1023;
        double m = Double.longBitsToDouble(bits & 0xfffffffffffffL | 1023L << 52);
        if (m > 1.4142135623730951) {
            m /= 2;
            exponent++;
        }
        // log m = 2 artanh((m - 1) / (m + 1)), written so that m - 1, which is exact, is the largest part
        double d = m - 1;
        double f = d / (m + 1);
        double s = f * f;
        double sum = 0;
        for (int n = 25; n >= 3; n -= 2) {
            sum = (1.0 / n + sum) * s;
        }
        double part = f * (d - 2 * sum);
        return exponent * LN2_HIGH + (d - (part - exponent * LN2_LOW));
    }

    public static double sin(double x) {
        return Math.abs(x) < 1e-8 ? x : sine(x, 0);
    }

    public static double cos(double x) {
        return sine(x, 1);
    }

    public static double tan(double x) {
        return Math.abs(x) < 1e-8 ? x : sine(x, 0) / sine(x, 1);
    }

    /** The sine of x and that many right angles. */
    private static double sine(double x, int quadrants) {
        if (x != x || Double.isInfinite(x)) {
            return Double.NaN;
        }
        if (Math.abs(x) > 1e6) {
            x %= 6.283185307179586;
        }
        double n = nearest(x * 0.6366197723675814);
        double r = x - n * HALF_PI_1 - n * HALF_PI_2 - n * HALF_PI_3 - n * HALF_PI_4;
        int quadrant = (int) n + quadrants & 3;
        double s = r * r;
        double value;
        double sum = 0;
        if ((quadrant & 1) == 0) {
            for (int i = 18; i >= 4; i -= 2) {
                sum = (1 - sum) * s / (i * (i + 1));
            }
            value = r - r * s / 6 * (1 - sum);
        } else {
            for (int i = 19; i >= 3; i -= 2) {
                sum = (1 - sum) * s / (i * (i + 1));
            }
            value = 1 - s / 2 * (1 - sum);
        }
        return quadrant >= 2 ? -value : value;
    }

    public static double atan(double x) {
        double a = Math.abs(x);
        double value;
        if (a > 1) {
            value = 1.5707963267948966 - smallAtan(1 / a) + 6.123233995736766E-17;
        } else {
            value = smallAtan(a);
        }
        return x < 0 ? -value : x == 0 ? x : value;
    }

    /** The arc tangent of a number from 0 to 1. */
    private static double smallAtan(double x) {
        double begin = 0;
        if (x > 0.2679491924311227) {
            begin = 0.5235987755982989;
            x = (x * SQRT_3 - 1) / (x + SQRT_3);
        }
        double s = x * x;
        double sum = 0;
        for (int n = 31; n >= 3; n -= 2) {
            sum = (1.0 / n - sum) * s;
        }
        return begin + (x - x * sum);
    }

    public static double atan2(double y, double x) {
        if (x != x || y != y) {
            return Double.NaN;
        }
        boolean negativeX = Double.doubleToRawLongBits(x) < 0;
        double angle;
        if (y == 0) {
            angle = 0;
        } else if (Double.isInfinite(x)) {
            angle = Double.isInfinite(y) ? Math.PI / 4 : 0;
        } else {
            angle = x == 0 || Double.isInfinite(y) ? Math.PI / 2 : atan(Math.abs(y / x));
        }
        if (negativeX && (x != 0 || y == 0)) {
            angle = Math.PI - angle;
        }
        return Double.doubleToRawLongBits(y) < 0 ? -angle : angle;
    }

    public static double asin(double x) {
        return x == 0 ? x : Math.abs(x) <= 1 ? atan2(x, Math.sqrt((1 - x) * (1 + x))) : Double.NaN;
    }

    public static double acos(double x) {
        return Math.abs(x) <= 1 ? atan2(Math.sqrt((1 - x) * (1 + x)), x) : Double.NaN;
    }

    private static double nearest(double x) {
        return Math.floor(x + 0.5);
    }

    private static double powerOfTwo(int exponent) {
        return Double.longBitsToDouble((long) (exponent + 1023) << 52);
    }
}
