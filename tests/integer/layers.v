// Requantisation, a pointwise layer and a halving layer, as hardware has them; they read a set of vectors as .hex files.
// With MUTANT the rounding constant is half of what it should be, and numbers must differ.
`timescale 1ns / 1ps

module requantise(input signed [31:0] sum, input [31:0] mult, input [7:0] shift, output signed [63:0] out);
`ifdef MUTANT
    wire signed [63:0] half = shift > 1 ? 64'sd1 <<< (shift - 2) : 64'sd0;
`else
    wire signed [63:0] half = shift > 0 ? 64'sd1 <<< (shift - 1) : 64'sd0;
`endif
    wire signed [63:0] product = sum * $signed({1'b0, mult});
    assign out = (product + half) >>> shift;
endmodule

module layers;
    reg signed [31:0] sums [0:`SUMS - 1];
    reg [31:0] sum_mult [0:`SUMS - 1];
    reg [7:0] sum_shift [0:`SUMS - 1];
    reg signed [31:0] sum_out [0:`SUMS - 1];

    reg signed [15:0] x [0:`PIXELS * `CIN - 1], y [0:`PIXELS * `COUT - 1];
    reg signed [7:0] kernel [0:`CIN * `COUT - 1];
    reg signed [31:0] bias [0:`COUT - 1];
    reg [31:0] mult [0:`COUT - 1];
    reg [7:0] shift [0:`COUT - 1];

    reg signed [15:0] whole_plane [0:`ROWS * `COLUMNS * 6 - 1], halved_plane [0:`ROWS * `COLUMNS * 6 / 4 - 1];
    reg signed [7:0] taps [0:53];
    reg signed [31:0] half_bias [0:5];
    reg [31:0] half_mult [0:5];
    reg [7:0] half_shift [0:5];

    reg signed [31:0] sum;
    reg [31:0] m;
    reg [7:0] s;
    wire signed [63:0] out;
    integer i, j, k, p, r, c, h, w, compared, wrong;
    reg signed [63:0] found;

    requantise unit(sum, m, s, out);

    task compare(input signed [31:0] expected, input signed [31:0] low);
        begin
            #1;
            found = out < low ? low : out > 32767 && low > -32'sd100000 ? 32767 : out;
            compared = compared + 1;
            if (found[31:0] !== expected) wrong = wrong + 1;
        end
    endtask

    initial begin
        $readmemh("sums.hex", sums); $readmemh("sum_mult.hex", sum_mult);
        $readmemh("sum_shift.hex", sum_shift); $readmemh("sum_out.hex", sum_out);
        $readmemh("x.hex", x); $readmemh("y.hex", y); $readmemh("kernel.hex", kernel);
        $readmemh("bias.hex", bias); $readmemh("mult.hex", mult); $readmemh("shift.hex", shift);
        $readmemh("large.hex", whole_plane); $readmemh("small.hex", halved_plane); $readmemh("taps.hex", taps);
        $readmemh("half_bias.hex", half_bias); $readmemh("half_mult.hex", half_mult);
        $readmemh("half_shift.hex", half_shift);
        compared = 0; wrong = 0;
        for (i = 0; i < `SUMS; i = i + 1) begin
            sum = sums[i]; m = sum_mult[i]; s = sum_shift[i];
            compare(sum_out[i], -32'sd2147483647);
        end
        $display("requantise: %0d values compared, %0d wrong", compared, wrong);
        compared = 0; wrong = 0;
        for (p = 0; p < `PIXELS; p = p + 1)
            for (k = 0; k < `COUT; k = k + 1) begin
                sum = bias[k];
                for (i = 0; i < `CIN; i = i + 1)
                    sum = sum + x[p * `CIN + i] * kernel[i * `COUT + k];
                m = mult[k]; s = shift[k];
                compare(y[p * `COUT + k], 0);
            end
        $display("pointwise: %0d values compared, %0d wrong", compared, wrong);
        compared = 0; wrong = 0;
        for (r = 0; r < `ROWS / 2; r = r + 1)
            for (c = 0; c < `COLUMNS / 2; c = c + 1)
                for (k = 0; k < 6; k = k + 1) begin
                    sum = half_bias[k];
                    for (i = 0; i < 3; i = i + 1)
                        for (j = 0; j < 3; j = j + 1) begin
                            h = 2 * r + i; w = 2 * c + j;  // "same" of an even length pads (0, 1)
                            if (h < `ROWS && w < `COLUMNS)
                                sum = sum + whole_plane[(h * `COLUMNS + w) * 6 + k] * taps[(i * 3 + j) * 6 + k];
                        end
                    m = half_mult[k]; s = half_shift[k];
                    compare(halved_plane[(r * `COLUMNS / 2 + c) * 6 + k], -32'sd32767);
                end
        $display("halving: %0d values compared, %0d wrong", compared, wrong);
        $finish;
    end
endmodule
